//! What runs where: names, arguments, ports, directories and logs of every process. Pure; nothing is started here.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::defaults;
use crate::failure::{Exit, Failure};

/// One process of the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// `node 1`, `agent 2`.
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    /// Variables for this process alone.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) data_dir: PathBuf,
    pub(crate) log: PathBuf,
}

/// A node and its three listeners.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) member: Member,
    pub(crate) api: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) health: SocketAddr,
}

/// The whole cluster.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) nodes: Vec<Node>,
    pub(crate) agents: Vec<Member>,
}

impl Layout {
    /// Lays out `nodes` nodes and `agents` agents of one runtime under a directory.
    pub(crate) fn new(
        directory: &Path,
        base_port: u16,
        nodes: u16,
        agents: u16,
        runtime: &str,
    ) -> Result<Self, Failure> {
        let last =
            u32::from(base_port) + u32::from(defaults::PORTS_PER_NODE) * u32::from(nodes - 1) + 2;
        if last > u32::from(u16::MAX) {
            return Err(Failure::new(
                Exit::Config,
                format!("{nodes} nodes from port {base_port} on would need port {last}"),
            )
            .next("choose a lower --base-port"));
        }
        let port =
            |number: u16, offset: u16| base_port + defaults::PORTS_PER_NODE * (number - 1) + offset;
        let address =
            |number, offset| SocketAddr::from((Ipv4Addr::LOCALHOST, port(number, offset)));
        let member_list: Vec<String> = (1..=nodes)
            .map(|n| format!("{n}={}/{}", address(n, 1), address(n, 0)))
            .collect();
        let peers: Vec<String> = (1..=nodes).map(|n| address(n, 1).to_string()).collect();

        let node = |number: u16| {
            let (api, peer, health) = (address(number, 0), address(number, 1), address(number, 2));
            let data_dir = directory.join(format!("node-{number}"));
            let flags = [
                ("--node-id", number.to_string()),
                ("--data-dir", data_dir.display().to_string()),
                ("--api", api.to_string()),
                ("--peer", peer.to_string()),
                ("--health", health.to_string()),
                ("--nodes", member_list.join(",")),
                ("--region", defaults::REGION.to_owned()),
            ];
            // By variable, as it should be everywhere: arguments are there for all to see.
            let pair = format!(
                "{}:{}",
                defaults::ACCESS_KEY_ID,
                defaults::SECRET_ACCESS_KEY
            );
            let variables = vec![("QUORATE_SERVER_ACCESS_KEY".to_owned(), pair)];
            let log = directory.join(format!("node-{number}.log"));
            let member = Member {
                name: format!("node {number}"),
                arguments: arguments("server", &flags),
                variables,
                data_dir,
                log,
            };
            Node {
                member,
                api,
                peer,
                health,
            }
        };
        let agent = |number: u16| {
            let data_dir = directory.join(format!("agent-{number}"));
            let flags = [
                ("--nodes", peers.join(",")),
                ("--data-dir", data_dir.display().to_string()),
                ("--runtime", runtime.to_owned()),
                ("--dynamic-ports", dynamic_ports(number, agents)),
            ];
            let log = directory.join(format!("agent-{number}.log"));
            Member {
                name: format!("agent {number}"),
                arguments: arguments("agent", &flags),
                variables: Vec::new(),
                data_dir,
                log,
            }
        };
        Ok(Self {
            nodes: (1..=nodes).map(node).collect(),
            agents: (1..=agents).map(agent).collect(),
        })
    }

    /// Fails if a port is taken, before anything has been started.
    pub(crate) fn check_ports(&self) -> Result<(), Failure> {
        for node in &self.nodes {
            for (address, flag) in [
                (node.api, "API"),
                (node.peer, "peer"),
                (node.health, "health"),
            ] {
                TcpListener::bind(address).map_err(|error| {
                    Failure::new(
                        Exit::PortTaken,
                        format!(
                            "{address}, the {flag} address of {}, cannot be had",
                            node.member.name
                        ),
                    )
                    .because(error)
                    .next("if another `quorate dev` runs, end it; else choose another --base-port")
                })?;
            }
        }
        Ok(())
    }
}

/// The share of agent `number`: agents on one machine must not give out the same ports.
fn dynamic_ports(number: u16, agents: u16) -> String {
    let (first, last) = defaults::DYNAMIC_PORTS;
    let share = (last - first + 1) / agents;
    let start = first + share * (number - 1);
    format!("{start}-{}", start + (share - 1))
}

fn arguments(role: &str, flags: &[(&str, String)]) -> Vec<String> {
    let flags = flags
        .iter()
        .flat_map(|(flag, value)| [(*flag).to_owned(), value.clone()]);
    std::iter::once(role.to_owned()).chain(flags).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn three_nodes_lie_ten_ports_apart() {
        let layout = Layout::new(Path::new("d"), 6570, 3, 2, "process").unwrap();
        let ports: Vec<_> = layout
            .nodes
            .iter()
            .map(|node| [node.api, node.peer, node.health].map(|address| address.port()))
            .collect();
        assert_eq!(
            ports,
            [[6570, 6571, 6572], [6580, 6581, 6582], [6590, 6591, 6592]]
        );
        let nodes = layout.nodes[2].member.arguments.join(" ");
        let members = "1=127.0.0.1:6571/127.0.0.1:6570,2=127.0.0.1:6581/127.0.0.1:6580,3=127.0.0.1:6591/127.0.0.1:6590";
        assert!(
            nodes.starts_with("server --node-id 3 --data-dir d/node-3 ") && nodes.contains(members),
            "{nodes}"
        );
        let agent = layout.agents[1].arguments.join(" ");
        assert_eq!(
            agent,
            "agent --nodes 127.0.0.1:6571,127.0.0.1:6581,127.0.0.1:6591 --data-dir d/agent-2 --runtime process --dynamic-ports 63268-65535"
        );
    }

    #[test]
    fn the_secret_is_not_among_the_arguments() {
        let layout = Layout::new(Path::new("d"), 6570, 1, 0, "process").unwrap();
        assert!(
            !layout.nodes[0]
                .member
                .arguments
                .join(" ")
                .contains(defaults::SECRET_ACCESS_KEY)
        );
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = Layout::new(Path::new("d"), port, 1, 0, "process")
            .unwrap()
            .check_ports()
            .unwrap_err();
        assert!(
            failure.code == 98
                && failure
                    .to_string()
                    .contains(&format!("127.0.0.1:{port}, the API address of node 1")),
            "{failure}"
        );
    }

    #[test]
    fn ports_end_at_65535() {
        assert_eq!(
            Layout::new(Path::new("d"), 65520, 3, 0, "process")
                .unwrap_err()
                .code,
            64
        );
    }
}
