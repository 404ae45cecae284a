//! Three members of etcd on loopback, as Debian ships it: default timing, default fsync, data on disk.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tonic::transport::{Channel, Endpoint};

use crate::harness::eventually;

/// Generated from `proto/etcd.proto`.
#[allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all)]
pub(super) mod api {
    tonic::include_proto!("etcdserverpb");
}

use api::StatusRequest;
use api::maintenance_client::MaintenanceClient;

const MEMBERS: usize = 3;
const READY_LIMIT: Duration = Duration::from_secs(30);
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// The cluster. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Etcd {
    folder: PathBuf,
    ports: Vec<(u16, u16)>,
    children: Vec<Option<Child>>,
}

impl Etcd {
    /// Starts all members and waits until they have a leader.
    pub(super) async fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).context("make etcd's folder")?;
        let ports = (0..MEMBERS)
            .map(|_| Ok((free_port()?, free_port()?)))
            .collect::<Result<_>>()?;
        let mut etcd = Self {
            folder: folder.to_owned(),
            ports,
            children: (0..MEMBERS).map(|_| None).collect(),
        };
        for member in 0..MEMBERS {
            etcd.start_member(member)?;
        }
        etcd.serving().await;
        Ok(etcd)
    }

    /// Starts a member that is down.
    pub(super) fn start_member(&mut self, member: usize) -> Result<()> {
        let peer = |at: usize| format!("http://127.0.0.1:{}", self.ports[at].1);
        let client = self.url(member);
        let initial = (0..MEMBERS)
            .map(|at| format!("m{at}={}", peer(at)))
            .collect::<Vec<_>>()
            .join(",");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("m{member}.log")))?;
        // It dies with the benchmark, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "etcd"]);
        command.args([
            "--name",
            &format!("m{member}"),
            "--logger",
            "zap",
            "--initial-cluster-state",
            "new",
        ]);
        command
            .arg("--data-dir")
            .arg(self.folder.join(format!("m{member}")));
        command.args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ]);
        command.args([
            "--listen-peer-urls",
            &peer(member),
            "--initial-advertise-peer-urls",
            &peer(member),
        ]);
        command.args(["--initial-cluster", &initial]);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.children[member] = Some(
            command
                .spawn()
                .context("start etcd (Debian's etcd-server)")?,
        );
        Ok(())
    }

    /// Ends a member at once.
    pub(super) fn kill(&mut self, member: usize) -> Result<()> {
        let Some(mut child) = self.children[member].take() else {
            bail!("member {member} is down")
        };
        child.kill().context("kill etcd")?;
        child.wait().context("wait for etcd")?;
        Ok(())
    }

    /// Waits until every living member knows a leader.
    pub(super) async fn serving(&self) {
        eventually("etcd serves", READY_LIMIT, || async {
            for member in self.living() {
                let (_, leader, _) = self.status(member).await.ok()?;
                (leader != 0).then_some(())?;
            }
            Some(())
        })
        .await;
    }

    /// The member that leads.
    pub(super) async fn leader(&self) -> Result<usize> {
        for member in self.living() {
            let (own, leader, _) = self.status(member).await?;
            if own == leader {
                return Ok(member);
            }
        }
        bail!("no member of etcd leads")
    }

    /// The version it says it is.
    pub(super) async fn version(&self) -> Result<String> {
        Ok(self.status(0).await?.2)
    }

    /// The numbers of the members that run.
    pub(super) fn living(&self) -> Vec<usize> {
        (0..MEMBERS)
            .filter(|member| self.children[*member].is_some())
            .collect()
    }

    /// The process numbers of the members that run.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.children.iter().flatten().map(Child::id).collect()
    }

    /// A connection to a member, made when it is first used.
    pub(super) fn channel(&self, member: usize) -> Result<Channel> {
        Ok(Endpoint::from_shared(self.url(member))?
            .tcp_nodelay(true)
            .connect_lazy())
    }

    fn url(&self, member: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[member].0)
    }

    /// A member's own id, its leader's id (0 if it knows none) and its version.
    async fn status(&self, member: usize) -> Result<(u64, u64, String)> {
        let mut client = MaintenanceClient::new(self.channel(member)?);
        let answer = tokio::time::timeout(ASK_LIMIT, client.status(StatusRequest {}))
            .await??
            .into_inner();
        let header = answer.header.context("etcd's status has a header")?;
        Ok((header.member_id, answer.leader, answer.version))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            // It may have ended by itself, and that is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::api::kv_client::KvClient;
    use super::*;
    use crate::bench::load::{OpenLoop, Shape, closed_loop};
    use crate::bench::target::{Operation, Target};

    /// The peer itself, under both generators: what the figures of a benchmark rest on.
    #[tokio::test]
    async fn both_generators_drive_the_peer_through_the_death_of_its_leader() {
        let folder = tempfile::tempdir().unwrap();
        let mut etcd = Etcd::start(folder.path()).await.unwrap();
        let target = |members: Vec<usize>| {
            Target::Etcd(
                members
                    .into_iter()
                    .map(|member| KvClient::new(etcd.channel(member).unwrap()))
                    .collect(),
            )
        };
        let moment = Duration::from_millis(300);
        let shape = Shape {
            clients: 4,
            warm_up: moment,
            measure: moment,
            pids: &etcd.pids(),
        };
        for operation in [Operation::Write, Operation::Read] {
            let sample = closed_loop(&target(etcd.living()), operation, &shape).await;
            assert!(
                sample.per_second > 0.0 && sample.p50_ms > 0.0 && sample.failures == 0,
                "{sample:?}"
            );
        }

        let leader = etcd.leader().await.unwrap();
        let survivors = etcd
            .living()
            .into_iter()
            .filter(|member| *member != leader)
            .collect();
        let mut load = OpenLoop::start(
            target(survivors),
            Duration::from_millis(5),
            Duration::from_secs(5),
        );
        let killed = tokio::time::Instant::now();
        etcd.kill(leader).unwrap();
        load.acknowledged_after(killed).await;
        let calls = load.end().await;
        assert!(
            calls
                .iter()
                .any(|call| call.acknowledged && call.issued > killed)
        );
        etcd.start_member(leader).unwrap();
        etcd.serving().await;
        assert_eq!(etcd.version().await.unwrap().split('.').count(), 3);
    }
}
