//! How clients call a node, and what they can learn from it. The world carries it out; the workload only knows this.

use std::time::Duration;

use futures::future::BoxFuture;
use quorate_core::ids::NodeId;
use serde_json::Value;

/// One call of one operation by one client.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Who calls; counts from 0. Each client has its own connection to each node.
    pub client: u32,
    /// The node that is called.
    pub node: NodeId,
    /// `ecs` or `quorate`.
    pub service: &'static str,
    /// Such as `RunTask`.
    pub operation: &'static str,
    /// The operation's input.
    pub body: Value,
    /// How long the caller waits: the deadline that the node is told, and a little more for the way.
    pub patience: Duration,
}

/// What a client knows after a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// An answer arrived.
    Answered(Answer),
    /// The call never reached a node: nothing was carried out.
    NotSent,
    /// No answer came. The call was carried out once or not at all, or still will be.
    Unknown,
}

/// What a node answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status; 500 leaves it open whether the call was carried out, unless the message says otherwise.
    pub status: u16,
    /// The exception's name if it is one, such as `ClusterNotFoundException`.
    pub error: Option<String>,
    /// The operation's output, or the exception.
    pub body: Value,
}

/// The cluster as clients reach it.
pub trait Api: Send + Sync + 'static {
    /// Every node's id, whether it runs or not, in order.
    fn nodes(&self) -> Vec<NodeId>;

    /// Calls a node. Ends when an answer is there or the caller's patience is over.
    fn call(&self, call: Call) -> BoxFuture<'_, Outcome>;
}
