//! What this machine offers: CPU, memory, the ports that are taken, and the attributes by which placement chooses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use quorate_proto::agent as wire;

use crate::config::{Config, PortRange};
use crate::runtime::{Port, Protocol};

/// CPU units a core has in ECS.
const UNITS_PER_CORE: usize = 1024;
const MIB: u64 = 1024 * 1024;
/// Versions of Docker's remote API that task definitions ask for by name; each engine of today speaks them all.
const DOCKER_API_MINORS: std::ops::RangeInclusive<u32> = 17..=44;

/// What an agent registers of the machine it is on: measured once, but for the ports, which are looked up at every registration.
#[derive(Clone, Debug)]
pub struct Host {
    /// Short name or ARN of the cluster to join.
    pub cluster: String,
    /// The machine's name.
    pub hostname: String,
    /// CPU on offer, 1024 units a core.
    pub cpu_units: i64,
    /// Memory on offer.
    pub memory_mib: i64,
    /// Host ports never to be given to tasks.
    pub reserved_ports: BTreeSet<u16>,
    /// Says on which ports something listens at the moment.
    pub listening: fn(Protocol) -> BTreeSet<u16>,
    /// What placement can choose by.
    pub attributes: BTreeMap<String, String>,
    /// `DockerVersion: ...`; empty without Docker.
    pub docker_version: String,
    /// Host ports for dynamic mappings; where none are named, the choice is the control plane's.
    pub dynamic_ports: Option<PortRange>,
}

impl Host {
    /// Measures; what `config` states is believed instead.
    pub(crate) fn measure(config: &Config, runtime: (&str, String)) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cpu_units = config.cpu.map_or_else(
            || i64::try_from(cores * UNITS_PER_CORE).unwrap_or(i64::MAX),
            i64::from,
        );
        let memory_mib = config.memory.map_or_else(memory_mib, i64::from);
        let mut attributes = found_attributes(runtime.0);
        attributes.extend(config.attributes.clone());
        Self {
            dynamic_ports: config.dynamic_ports,
            cluster: config.cluster.clone(),
            hostname: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            cpu_units,
            memory_mib,
            reserved_ports: config.reserved_ports.iter().copied().collect(),
            listening,
            attributes,
            docker_version: if runtime.0 == "docker" {
                format!("DockerVersion: {}", runtime.1)
            } else {
                String::new()
            },
        }
    }

    /// The resources in ECS's names. Ports in `own` belong to tasks the control plane counts itself.
    pub(crate) fn resources(&self, own: &BTreeSet<Port>) -> Vec<wire::Resource> {
        let integer = |name: &str, integer| wire::Resource {
            name: name.to_owned(),
            integer,
            string_set: Vec::new(),
        };
        let ports = |name: &str, protocol| {
            let mut taken = (self.listening)(protocol);
            taken.retain(|host| {
                !own.iter()
                    .any(|port| port.host == *host && port.protocol == protocol)
            });
            taken.extend(&self.reserved_ports);
            wire::Resource {
                name: name.to_owned(),
                integer: 0,
                string_set: taken.iter().map(u16::to_string).collect(),
            }
        };
        vec![
            integer("CPU", self.cpu_units),
            integer("MEMORY", self.memory_mib),
            ports("PORTS", Protocol::Tcp),
            ports("PORTS_UDP", Protocol::Udp),
        ]
    }

    /// Found and given attributes.
    pub(crate) fn attributes(&self) -> Vec<wire::Attribute> {
        let pairs = self.attributes.iter();
        pairs
            .map(|(name, value)| wire::Attribute {
                name: name.clone(),
                value: value.clone(),
            })
            .collect()
    }

    /// What this agent is.
    pub(crate) fn version(&self) -> wire::VersionInfo {
        wire::VersionInfo {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            agent_hash: String::new(),
            docker_version: self.docker_version.clone(),
        }
    }
}

fn found_attributes(runtime: &str) -> BTreeMap<String, String> {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let mut attributes = BTreeMap::from(
        [
            ("ecs.os-type", "linux"),
            ("ecs.os-family", "LINUX"),
            ("ecs.cpu-architecture", architecture),
            ("ecs.capability.container-health-check", ""),
            ("ecs.capability.task-cpu-mem-limit", ""),
            ("quorate.runtime", runtime),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    if runtime == "docker" {
        let minors = DOCKER_API_MINORS.map(|minor| format!("docker-remote-api.1.{minor}"));
        let others = ["privileged-container", "logging-driver.json-file"].map(str::to_owned);
        attributes.extend(minors.chain(others).map(|name| {
            (
                format!("com.amazonaws.ecs.capability.{name}"),
                String::new(),
            )
        }));
    }
    attributes
}

/// The memory of the machine, or of the tightest cgroup this process lives in.
fn memory_mib() -> i64 {
    let total = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| total_bytes(&text))
        .unwrap_or(0);
    let limits = fs::read_to_string("/proc/self/cgroup")
        .map(|text| limit_files(&text))
        .unwrap_or_default();
    let limits = limits
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    let bytes = limits.chain([total]).min().unwrap_or(total);
    i64::try_from(bytes / MIB).unwrap_or(i64::MAX)
}

fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

/// The files that may hold a memory limit for this process: its own cgroup's and those of all above it.
fn limit_files(cgroup: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in cgroup.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let below = Path::new(path.trim_start_matches('/'));
        files.extend(
            below
                .ancestors()
                .map(|ancestor| Path::new(root).join(ancestor).join(file)),
        );
    }
    files
}

/// The ports on which something on this host listens.
fn listening(protocol: Protocol) -> BTreeSet<u16> {
    let (tables, state) = match protocol {
        Protocol::Tcp => (["/proc/net/tcp", "/proc/net/tcp6"], "0A"),
        Protocol::Udp => (["/proc/net/udp", "/proc/net/udp6"], "07"),
    };
    let tables = tables.map(|path| fs::read_to_string(path).unwrap_or_default());
    tables
        .iter()
        .flat_map(|table| bound_ports(table, state))
        .collect()
}

fn bound_ports(table: &str, state: &str) -> Vec<u16> {
    let bound = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, found) = (fields.next()?, fields.nth(1)?);
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        (found == state).then_some(port)
    };
    table.lines().skip(1).filter_map(bound).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn proc_files_are_read_as_the_kernel_writes_them() {
        assert_eq!(
            total_bytes("MemFree: 1 kB\nMemTotal:       24685148 kB\n"),
            Some(24685148 * 1024)
        );
        let table = "  sl  local_address rem_address   st\n   0: 0100007F:19AA 00000000:0000 0A 00000000\n   1: 0100007F:C350 0100007F:19AA 01 0\n";
        assert_eq!(bound_ports(table, "0A"), [6570]);
        let files = limit_files("4:memory:/a/b\n0::/c\n9:name=systemd:/\n");
        assert!(files.contains(&PathBuf::from(
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"
        )));
        assert!(files.contains(&PathBuf::from("/sys/fs/cgroup/c/memory.max")));
    }

    #[test]
    fn a_port_of_ours_is_not_taken_but_a_reserved_one_is() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let config = Config {
            reserved_ports: vec![9],
            ..Config::default()
        };
        let host = Host::measure(&config, ("process", String::new()));
        let taken = |own: &BTreeSet<Port>| host.resources(own)[2].string_set.clone();
        assert!(taken(&BTreeSet::new()).contains(&port.to_string()));
        assert!(taken(&BTreeSet::new()).contains(&"9".to_owned()));
        let own = BTreeSet::from([Port {
            container: 80,
            host: port,
            protocol: Protocol::Tcp,
        }]);
        assert!(!taken(&own).contains(&port.to_string()));
        assert!(
            host.attributes()
                .iter()
                .any(|attribute| attribute.name == "ecs.os-type" && attribute.value == "linux")
        );
    }
}
