//! `quorate node`: the members of the control plane.

use clap::Subcommand;
use serde_json::{Value, json};

use super::Asking;
use crate::failure::Failure;
use crate::render::{list, show, table, text};

/// What can be done with nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// List the nodes: role, term, applied index, addresses
    Ls,
}

pub(crate) async fn run(command: NodeCommand, asking: &Asking) -> Result<(), Failure> {
    match command {
        NodeCommand::Ls => {
            let nodes = asking
                .access
                .client()?
                .call_quorate("ListNodes", json!({}))
                .await?;
            show(asking.output, &nodes, nodes_table)
        }
    }
}

/// The nodes as rows; used by `status` as well.
pub(crate) fn nodes_table(answer: &Value) -> String {
    let row = |node: &Value| {
        let reachable = if node["reachable"] == json!(true) {
            "yes"
        } else {
            "no"
        };
        let texts = [
            "/nodeId",
            "/role",
            "/term",
            "/appliedIndex",
            "/apiAddress",
            "/peerAddress",
            "/version",
        ];
        texts
            .iter()
            .map(|pointer| text(node, pointer))
            .chain([reachable.to_owned()])
            .collect()
    };
    let heads = [
        "NODE",
        "ROLE",
        "TERM",
        "APPLIED",
        "API",
        "PEER",
        "VERSION",
        "REACHABLE",
    ];
    table(&heads, list(answer, "/nodes").iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_answer_has_gaps() {
        let answer = json!({"nodes": [
            {"nodeId": 1, "role": "LEADER", "term": 3, "appliedIndex": 42, "apiAddress": "127.0.0.1:6570",
             "peerAddress": "127.0.0.1:6571", "version": "0.1.0", "reachable": true},
            {"nodeId": 2, "role": "FOLLOWER", "apiAddress": "127.0.0.1:6580", "peerAddress": "127.0.0.1:6581", "reachable": false},
        ]});
        let expected = "\
NODE  ROLE      TERM  APPLIED  API             PEER            VERSION  REACHABLE
1     LEADER    3     42       127.0.0.1:6570  127.0.0.1:6571  0.1.0    yes
2     FOLLOWER  -     -        127.0.0.1:6580  127.0.0.1:6581  -        no
";
        assert_eq!(nodes_table(&answer), expected);
    }
}
