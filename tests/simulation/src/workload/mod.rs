//! What clients do: operations of ECS with inputs that a seed decides, at nodes that a seed decides, tried again with the same token
//! when the outcome is unknown.
