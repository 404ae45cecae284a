//! One process of a cluster: what it is called, how it is started, and the life it is in. Written to the state file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::options::{ClusterOptions, REGION};
use super::process::{Invocation, ProcessId};

/// Fifty agents have room above the kernel's ephemeral ports.
const DYNAMIC_PORTS_FIRST: usize = 61_000;
const DYNAMIC_PORTS_EACH: usize = 90;

/// What a member is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A node of the control plane.
    Node,
    /// An agent.
    Agent,
}

/// The three addresses of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Where it takes ECS calls.
    pub api: String,
    /// Where other nodes and agents talk to it.
    pub peer: String,
    /// Where it says how it is.
    pub health: String,
}

/// The key pair of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyPair {
    /// The public half.
    pub id: String,
    /// The secret half. It protects nothing: the cluster lives on loopback for the time of a test.
    pub secret: String,
}

/// What every member of one cluster shares.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The account, twelve digits, drawn anew for each cluster: every ARN of it, and so every container label, is told
    /// apart from those of any other cluster on the machine.
    pub account: String,
    /// The key pair that the nodes accept.
    pub key_pair: KeyPair,
}

/// One process of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// `n1`, `a1` and so on.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// A node's addresses; none for an agent.
    pub addresses: Option<Addresses>,
    /// The life it is in, or was in last.
    pub process: Option<ProcessId>,
    pub(super) invocation: Invocation,
}

impl Member {
    /// Whether its process runs (a paused one does).
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.is_some_and(ProcessId::is_alive)
    }

    /// One word for a person: running, paused or down.
    #[must_use]
    pub fn condition(&self) -> &'static str {
        match self.process {
            Some(process) if process.is_paused() => "paused",
            Some(process) if process.is_alive() => "running",
            _ => "down",
        }
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self, directory: &Path) -> std::path::PathBuf {
        directory.join(&self.name)
    }

    /// What it has written to its output, from every life.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.invocation.log
    }
}

/// The members of a cluster that is to be, on these free ports (three for each node).
pub(super) fn draw_up(options: &ClusterOptions, identity: &Identity, ports: &[u16]) -> Vec<Member> {
    let addresses: Vec<Addresses> = ports
        .chunks_exact(3)
        .map(|ports| Addresses {
            api: local(ports[0]),
            peer: local(ports[1]),
            health: local(ports[2]),
        })
        .collect();
    let everyone = |each: fn(usize, &Addresses) -> String| {
        addresses
            .iter()
            .enumerate()
            .map(|(at, addresses)| each(at + 1, addresses))
            .collect::<Vec<_>>()
            .join(",")
    };
    let nodes = everyone(|id, at| format!("{id}={}/{}", at.peer, at.api));
    let peers = everyone(|_, at| at.peer.clone());
    let servers = addresses.iter().enumerate().map(|(at, addresses)| {
        let id = at + 1;
        let mut arguments = words(&["server", "--node-id", &id.to_string(), "--nodes", &nodes]);
        arguments.extend(words(&[
            "--api",
            &addresses.api,
            "--peer",
            &addresses.peer,
            "--health",
            &addresses.health,
        ]));
        arguments.extend(words(&["--region", REGION, "--account", &identity.account]));
        arguments.extend(words(&[
            "--lost-after",
            &format!("{}ms", options.lost_after.as_millis()),
        ]));
        arguments.extend(options.node_arguments.iter().cloned());
        let key = format!("{}:{}", identity.key_pair.id, identity.key_pair.secret);
        let environment = BTreeMap::from([("QUORATE_SERVER_ACCESS_KEY".to_owned(), key)]);
        member(
            options,
            format!("n{id}"),
            Role::Node,
            Some(addresses.clone()),
            arguments,
            environment,
        )
    });
    let agents = (1..=options.agents).map(|id| {
        let mut arguments = words(&[
            "agent",
            "--nodes",
            &peers,
            "--runtime",
            options.runtime.name(),
            "--dynamic-ports",
            &dynamic_ports(id),
        ]);
        arguments.extend(options.agent_arguments.iter().cloned());
        member(
            options,
            format!("a{id}"),
            Role::Agent,
            None,
            arguments,
            BTreeMap::new(),
        )
    });
    servers.chain(agents).collect()
}

fn member(
    options: &ClusterOptions,
    name: String,
    role: Role,
    addresses: Option<Addresses>,
    mut arguments: Vec<String>,
    environment: BTreeMap<String, String>,
) -> Member {
    arguments.extend(words(&[
        "--data-dir",
        &options.directory.join(&name).to_string_lossy(),
    ]));
    let log = options.directory.join(format!("{name}.log"));
    let invocation = Invocation {
        program: options.binary.clone(),
        arguments,
        environment,
        log,
    };
    Member {
        name,
        role,
        addresses,
        process: None,
        invocation,
    }
}

/// The agent's own range of host ports, above the kernel's ephemeral ones: agents on one machine must not share any.
fn dynamic_ports(agent: usize) -> String {
    let first = DYNAMIC_PORTS_FIRST + (agent - 1) * DYNAMIC_PORTS_EACH;
    format!("{first}-{}", first + DYNAMIC_PORTS_EACH - 1)
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
