//! `quorate status`: the whole at a glance: nodes, clusters, and whether there is a leader.

use serde_json::{Value, json};

use super::{Asking, cluster, node};
use crate::failure::{Exit, Failure};
use crate::render::{list, show};

/// Nodes come from any node that answers; clusters need a leader.
pub(crate) async fn run(asking: &Asking) -> Result<(), Failure> {
    let client = asking.access.client()?;
    let mut whole = client.call_quorate("ListNodes", json!({})).await?;
    if leader(&whole).is_none() {
        show(asking.output, &whole, node::nodes_table)?;
        return Err(Failure::new(
            Exit::Unreachable,
            "there is no leader: reads and writes wait",
        )
        .next("start the nodes that are not reachable; more than half of all must run"));
    }
    whole["clusters"] = cluster::describe_all(&client).await?["clusters"].take();
    show(asking.output, &whole, |whole| {
        format!(
            "{}\n{}",
            node::nodes_table(whole),
            cluster::clusters_table(whole)
        )
    })
}

/// The node that leads, if one does.
pub(crate) fn leader(nodes: &Value) -> Option<&Value> {
    list(nodes, "/nodes")
        .iter()
        .find(|node| node["role"] == "LEADER")
}
