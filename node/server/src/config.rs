//! What a node is told at its start. Read from flags, environment and file by the binary; checked here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use quorate_core::{Policy, Realm};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::consensus::EngineKind;

/// Settings of `quorate server`. Keys are kebab-case in files; every key is also a flag and an environment variable.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// This node's id: positive, one of `nodes`, never given to another node or disk.
    pub node_id: u64,
    /// Where the log, snapshots and the guard file live.
    pub data_dir: PathBuf,
    /// Listener of the ECS API.
    pub api: SocketAddr,
    /// Listener for nodes and agents.
    pub peer: SocketAddr,
    /// Listener of /metrics, /livez and /readyz.
    pub health: SocketAddr,
    /// Every node of the initial cluster, this one included: `1=PEER-ADDRESS/API-ADDRESS`.
    pub nodes: Nodes,
    /// Name of this control plane; nodes of another name are refused.
    pub cluster_name: String,
    /// Region in ARNs and signatures.
    pub region: String,
    /// Account in ARNs: twelve digits.
    pub account: String,
    /// Who may call: `ID:SECRET`.
    pub access_key: Vec<AccessKey>,
    /// A silent instance loses its tasks after this long.
    pub lost_after: Span,
    /// Tasks of services that rebalancing begins to move within a minute, over all services; 0 = none.
    pub moves_per_minute: u64,
    /// How often the leader speaks to followers.
    pub heartbeat: Span,
    /// How long a follower waits before it stands for election: at random within this range.
    pub election: SpanRange,
    /// How the log is kept.
    pub log_engine: EngineKind,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            node_id: 1,
            data_dir: PathBuf::from("/var/lib/quorate/server"),
            api: loopback(6570),
            peer: loopback(6571),
            health: loopback(6572),
            nodes: Nodes::default(),
            cluster_name: "quorate".into(),
            region: "us-east-1".into(),
            account: "000000000000".into(),
            access_key: Vec::new(),
            lost_after: Span::from_millis(Policy::default().lost_after_ms),
            moves_per_minute: Policy::default().moves_per_minute,
            heartbeat: Span::from_millis(100),
            election: SpanRange {
                min: Span::from_millis(600),
                max: Span::from_millis(1200),
            },
            log_engine: EngineKind::Sled,
            snapshot_every: 50_000,
        }
    }
}

/// A setting that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct ConfigError {
    /// The key, as in the file.
    pub key: &'static str,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

impl Config {
    /// Checks what single values cannot know of each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, why: &str| {
            Err(ConfigError {
                key,
                why: why.to_owned(),
            })
        };
        if self.node_id == 0 {
            return wrong("node-id", "must be positive");
        }
        if !self.nodes.0.is_empty() && !self.nodes.0.contains_key(&self.node_id) {
            return wrong(
                "nodes",
                &format!(
                    "must name this node too: {}=PEER-ADDRESS/API-ADDRESS",
                    self.node_id
                ),
            );
        }
        if self.account.len() != 12 || !self.account.bytes().all(|b| b.is_ascii_digit()) {
            return wrong("account", "must have twelve digits");
        }
        let region_letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.region.is_empty() || !self.region.bytes().all(region_letters) {
            return wrong("region", "must look like us-east-1");
        }
        if self.access_key.is_empty() {
            return wrong(
                "access-key",
                "give at least one ID:SECRET; without it nobody could call",
            );
        }
        if self.heartbeat.as_millis() == 0
            || self.election.min.as_millis() < 2 * self.heartbeat.as_millis()
        {
            return wrong("election", "must start at two heartbeats or more");
        }
        if self.election.max.as_millis() <= self.election.min.as_millis() {
            return wrong("election", "must be a range, MIN..MAX");
        }
        Ok(())
    }

    /// Where ARNs say that things are.
    #[must_use]
    pub fn realm(&self) -> Realm {
        Realm {
            region: self.region.clone(),
            account: self.account.clone(),
        }
    }

    /// Settings of the duties.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            lost_after_ms: self.lost_after.as_millis(),
            moves_per_minute: self.moves_per_minute,
            ..Policy::default()
        }
    }

    /// The initial cluster; a node that names none is a cluster of one.
    #[must_use]
    pub fn members(&self) -> BTreeMap<u64, NodeAddress> {
        if self.nodes.0.is_empty() {
            let here = NodeAddress {
                peer: self.peer.to_string(),
                api: self.api.to_string(),
            };
            return BTreeMap::from([(self.node_id, here)]);
        }
        self.nodes.0.clone()
    }
}

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// host:port for nodes and agents.
    pub peer: String,
    /// host:port of the API.
    pub api: String,
}

/// The nodes of the initial cluster: `1=127.0.0.1:6571/127.0.0.1:6570,2=...`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes(pub BTreeMap<u64, NodeAddress>);

impl FromStr for Nodes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut nodes = BTreeMap::new();
        for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            let wrong = || format!("{one:?} is not ID=PEER-ADDRESS/API-ADDRESS");
            let (id, addresses) = one.split_once('=').ok_or_else(wrong)?;
            let (peer, api) = addresses.split_once('/').ok_or_else(wrong)?;
            let id: u64 = id.trim().parse().map_err(|_| wrong())?;
            let address = NodeAddress {
                peer: peer.trim().into(),
                api: api.trim().into(),
            };
            if id == 0 || nodes.insert(id, address).is_some() {
                return Err(format!("node id {id} is 0 or named twice"));
            }
        }
        Ok(Self(nodes))
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (id, node)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{id}={}/{}", node.peer, node.api)?;
        }
        Ok(())
    }
}

/// A key pair that may call. Its secret is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessKey({}:...)", self.id)
    }
}

impl fmt::Display for AccessKey {
    /// With the secret: for handing the configuration on to a child process, never for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.secret)
    }
}

impl FromStr for AccessKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = text
            .split_once(':')
            .filter(|(id, secret)| !id.is_empty() && !secret.is_empty());
        let (id, secret) = pair.ok_or("an access key is ID:SECRET")?;
        Ok(Self {
            id: id.into(),
            secret: secret.into(),
        })
    }
}

/// A span of time: `250ms`, `60s`, `5m`, `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

impl Span {
    /// A span of so many milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Its milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// As the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let unit_at = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let wrong = || format!("{text:?} is not a span like 250ms, 60s, 5m or 2h");
        let number: u64 = text[..unit_at].parse().map_err(|_| wrong())?;
        let factor = match &text[unit_at..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) {
            write!(f, "{}s", self.0 / 1000)
        } else {
            write!(f, "{}ms", self.0)
        }
    }
}

/// A range of spans: `600ms..1200ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanRange {
    /// Its start.
    pub min: Span,
    /// Its end.
    pub max: Span,
}

impl FromStr for SpanRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text
            .split_once("..")
            .ok_or_else(|| format!("{text:?} is not a range like 600ms..1200ms"))?;
        Ok(Self {
            min: min.parse()?,
            max: max.parse()?,
        })
    }
}

impl fmt::Display for SpanRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.min, self.max)
    }
}

/// In files and environment these are texts.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

as_text!(Nodes, AccessKey, Span, SpanRange, EngineKind);

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_print_as_they_parse() {
        for text in ["250ms", "60s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("2h".parse::<Span>().unwrap().as_millis(), 7_200_000);
        let nodes = "1=a:1/a:2,2=b:1/b:2";
        assert_eq!(nodes.parse::<Nodes>().unwrap().to_string(), nodes);
        for wrong in ["", "5", "5 s", "5d", "-1s", "99999999999999999999h"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        assert!("1=a:1/a:2,1=b:1/b:2".parse::<Nodes>().is_err());
    }

    #[test]
    fn a_config_that_cannot_work_is_refused_by_key() {
        let good = Config {
            access_key: vec!["A:b".parse().unwrap()],
            ..Config::default()
        };
        assert_eq!(good.check(), Ok(()));
        let key_of = |config: Config| config.check().unwrap_err().key;
        assert_eq!(
            key_of(Config {
                node_id: 0,
                ..good.clone()
            }),
            "node-id"
        );
        assert_eq!(
            key_of(Config {
                account: "12".into(),
                ..good.clone()
            }),
            "account"
        );
        assert_eq!(
            key_of(Config {
                access_key: Vec::new(),
                ..good.clone()
            }),
            "access-key"
        );
        assert_eq!(
            key_of(Config {
                nodes: "2=a:1/a:2".parse().unwrap(),
                ..good.clone()
            }),
            "nodes"
        );
        assert_eq!(
            key_of(Config {
                election: "100ms..90ms".parse().unwrap(),
                ..good
            }),
            "election"
        );
    }
}
