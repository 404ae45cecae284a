//! What the integration tests and the benchmarks share: a cluster that ends with its test, patience with a deadline,
//! and the few ECS calls that every story begins with. The promises themselves are in `tests/it`.

pub mod bench;
pub mod ecs;
pub mod harness;
pub mod raw;
pub mod tools;
