//! A local cluster of real `quorate` processes on loopback ports, under one directory.
//!
//! [`Cluster::launch`] starts one; the state file in its directory lets any later process [`Cluster::open`] it. Members
//! are killed, paused, resumed, stopped and started by name. Nothing here waits for the cluster to react, except
//! [`Cluster::serving`]: what a fault should lead to is for the caller to say.

mod error;
mod health;
mod leftovers;
mod member;
mod options;
mod ports;
mod process;
mod serving;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use error::while_;
use quorate_client::{Client, ClientConfig};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

pub use error::ClusterError;
pub use health::{Health, ask};
pub use member::{Addresses, Identity, KeyPair, Member, Role};
pub use options::{ClusterOptions, Lifetime, REGION, Runtime};
pub use process::ProcessId;
pub use serving::Standing;

/// The file in a cluster's directory that says what it is.
const STATE_FILE: &str = "cluster.json";

/// How often a condition is looked at again.
const POLL_PAUSE: Duration = Duration::from_millis(20);

/// A node closes its listeners, lets calls end and syncs its disk when it is asked to stop.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What the state file holds.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    identity: Identity,
    members: Vec<Member>,
}

/// A local cluster.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    state: State,
    lifetime: Lifetime,
    /// The processes that are children of ours and must be waited for, by the member's name.
    children: BTreeMap<String, Child>,
}

impl Cluster {
    /// Makes a cluster and starts all its processes. It does not wait until they serve.
    ///
    /// # Errors
    /// See [`ClusterError`]. What had been started is ended.
    pub fn launch(options: &ClusterOptions) -> Result<Self, ClusterError> {
        fs::create_dir_all(&options.directory)
            .map_err(while_(format!("make {}", options.directory.display())))?;
        let directory =
            fs::canonicalize(&options.directory).map_err(while_("resolve the directory"))?;
        if directory.join(STATE_FILE).exists() {
            return Err(ClusterError::Exists { directory });
        }
        let identity = identity();
        let ports = ports::free(options.nodes * 3).map_err(while_("find free ports"))?;
        let options = ClusterOptions {
            directory: directory.clone(),
            ..options.clone()
        };
        let members = member::draw_up(&options, &identity, &ports);
        let state = State { identity, members };
        let mut cluster = Self {
            directory,
            state,
            lifetime: options.lifetime,
            children: BTreeMap::new(),
        };
        let started = cluster
            .names()
            .iter()
            .try_for_each(|name| cluster.start(name));
        match started {
            Ok(()) => Ok(cluster),
            Err(error) => {
                // The first error says more than one about the cleaning up.
                let _ = cluster.down();
                Err(error)
            }
        }
    }

    /// The cluster that another process started in this directory. It is not ended when this handle is dropped.
    ///
    /// # Errors
    /// [`ClusterError::Missing`], or what reading its state file failed with.
    pub fn open(directory: &Path) -> Result<Self, ClusterError> {
        let text = match fs::read(directory.join(STATE_FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ClusterError::Missing {
                    directory: directory.to_owned(),
                });
            }
            result => result.map_err(while_("read the state file"))?,
        };
        let state = serde_json::from_slice(&text)
            .map_err(io::Error::from)
            .map_err(while_("parse the state file"))?;
        Ok(Self {
            directory: directory.to_owned(),
            state,
            lifetime: Lifetime::Detached,
            children: BTreeMap::new(),
        })
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its account and key pair.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.state.identity
    }

    /// Its members: nodes first, then agents.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.state.members
    }

    /// The names of its members, in their order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state
            .members
            .iter()
            .map(|member| member.name.clone())
            .collect()
    }

    /// The member of this name.
    ///
    /// # Errors
    /// [`ClusterError::Unknown`].
    pub fn member(&self, name: &str) -> Result<&Member, ClusterError> {
        let known = || self.names().join(", ");
        let unknown = || ClusterError::Unknown {
            name: name.to_owned(),
            known: known(),
        };
        self.state
            .members
            .iter()
            .find(|member| member.name == name)
            .ok_or_else(unknown)
    }

    /// The nodes whose processes run.
    pub fn living_nodes(&self) -> impl Iterator<Item = (&Member, &Addresses)> {
        self.state
            .members
            .iter()
            .filter(|member| member.is_alive())
            .filter_map(|member| Some((member, member.addresses.as_ref()?)))
    }

    /// The processes of tasks that run now, of every agent that runs tasks as processes.
    #[must_use]
    pub fn task_processes(&self) -> Vec<ProcessId> {
        let mut processes = process::working_under(&self.directory);
        processes.sort_unstable();
        processes
    }

    /// The processes of tasks of one such agent.
    ///
    /// # Errors
    /// [`ClusterError::Unknown`].
    pub fn task_processes_of(&self, agent: &str) -> Result<Vec<ProcessId>, ClusterError> {
        let mut processes = process::working_under(&self.member(agent)?.data_dir(&self.directory));
        processes.sort_unstable();
        Ok(processes)
    }

    /// Starts a member that is down.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn start(&mut self, name: &str) -> Result<(), ClusterError> {
        let member = self.in_condition(name, "down", "started")?;
        let child = member
            .invocation
            .spawn(self.lifetime)
            .map_err(while_(format!("start {name}")))?;
        let process = ProcessId::of(child.id());
        self.children.insert(name.to_owned(), child);
        if let Some(member) = self
            .state
            .members
            .iter_mut()
            .find(|member| member.name == name)
        {
            member.process = process;
        }
        self.save()
    }

    /// Ends a member at once, as a power failure would end its process (SIGKILL). When it returns the process is gone.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn kill(&mut self, name: &str) -> Result<(), ClusterError> {
        if self.member(name)?.condition() == "down" {
            self.in_condition(name, "running", "killed")?;
        }
        self.signal(name, Signal::KILL)?;
        self.gone(name, STOP_LIMIT)
    }

    /// Ends an agent together with all that it runs as processes, as a power failure of its machine would (SIGKILL). Containers are the
    /// engine's, and stay.
    ///
    /// # Errors
    /// See [`ClusterError`]; [`ClusterError::LeftBehind`] where something cannot be ended.
    pub fn kill_machine(&mut self, agent: &str) -> Result<(), ClusterError> {
        self.kill(agent)?;
        let folder = self.member(agent)?.data_dir(&self.directory);
        match leftovers::end_machine(&folder) {
            0 => Ok(()),
            left => Err(ClusterError::LeftBehind {
                what: format!("{left} processes of {agent}"),
            }),
        }
    }

    /// Asks a member to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// See [`ClusterError`]; [`ClusterError::NotServing`] where it does not stop in time.
    pub fn stop(&mut self, name: &str) -> Result<(), ClusterError> {
        self.in_condition(name, "running", "stopped")?;
        self.signal(name, Signal::TERM)?;
        self.gone(name, STOP_LIMIT)
    }

    /// Freezes a member: its sockets stay open, and it does nothing (SIGSTOP).
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn pause(&mut self, name: &str) -> Result<(), ClusterError> {
        self.in_condition(name, "running", "paused")?;
        self.signal(name, Signal::STOP)
    }

    /// Lets a paused member go on.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn resume(&mut self, name: &str) -> Result<(), ClusterError> {
        self.in_condition(name, "paused", "resumed")?;
        self.signal(name, Signal::CONT)
    }

    /// Kills a member if it lives, and starts it again.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn restart(&mut self, name: &str) -> Result<(), ClusterError> {
        if self.member(name)?.is_alive() {
            self.kill(name)?;
        }
        self.start(name)
    }

    /// Waits for a member that was started through this handle, and gives its exit code; none where a signal ended it.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn exit_code(&mut self, name: &str) -> Result<Option<i32>, ClusterError> {
        let not_ours = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                "it was not started through this handle",
            )
        };
        let child = self.children.get_mut(name).ok_or_else(not_ours);
        let status = child
            .and_then(Child::wait)
            .map_err(while_(format!("wait for {name}")))?;
        Ok(status.code())
    }

    /// Ends everything: members, the tasks their agents ran, the state file. Data and logs stay where they are.
    ///
    /// # Errors
    /// [`ClusterError::LeftBehind`] names what could not be ended.
    pub fn down(&mut self) -> Result<(), ClusterError> {
        let mut left = Vec::new();
        // Agents first, so that none starts a task again.
        for name in self.names().into_iter().rev() {
            if self.member(&name)?.is_alive() && self.kill(&name).is_err() {
                left.push(name);
            }
        }
        let processes = leftovers::end_processes(&self.directory);
        if processes > 0 {
            left.push(format!("{processes} task processes"));
        }
        if let Err(error) = leftovers::end_containers(&self.state.identity.account) {
            left.push(format!("containers ({error})"));
        }
        if !left.is_empty() {
            return Err(ClusterError::LeftBehind {
                what: left.join(", "),
            });
        }
        match fs::remove_file(self.directory.join(STATE_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(while_("remove the state file")(error))
            }
            _ => Ok(()),
        }
    }

    /// A client that calls these members (nodes) in turn, and only them.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub fn client(&self, nodes: &[&str], timeout: Duration) -> Result<Client, ClusterError> {
        let endpoint = |name: &&str| {
            let member = self.member(name)?;
            let not_a_node = || ClusterError::Unknown {
                name: member.name.clone(),
                known: "nodes only".to_owned(),
            };
            Ok(format!(
                "http://{}",
                member.addresses.as_ref().ok_or_else(not_a_node)?.api
            ))
        };
        let endpoints = nodes
            .iter()
            .map(endpoint)
            .collect::<Result<Vec<_>, ClusterError>>()?;
        let keys = self.state.identity.key_pair.clone();
        let config = ClientConfig {
            endpoints,
            region: REGION.to_owned(),
            access_key_id: keys.id,
            secret_access_key: keys.secret,
            timeout,
        };
        Ok(Client::new(config)?)
    }

    fn in_condition(
        &self,
        name: &str,
        needed: &'static str,
        wanted: &'static str,
    ) -> Result<&Member, ClusterError> {
        let member = self.member(name)?;
        let condition = member.condition();
        if condition == needed {
            return Ok(member);
        }
        Err(ClusterError::Condition {
            name: name.to_owned(),
            condition,
            wanted,
        })
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<(), ClusterError> {
        let nobody = || io::Error::new(io::ErrorKind::NotFound, "it was never started");
        let process = self.member(name)?.process.ok_or_else(nobody);
        process
            .and_then(|process| process.signal(signal))
            .map_err(while_(format!("signal {name}")))
    }

    /// Waits until a member's process is gone, and takes its exit status if it was our child.
    fn gone(&mut self, name: &str, limit: Duration) -> Result<(), ClusterError> {
        let deadline = std::time::Instant::now() + limit;
        while self.member(name)?.is_alive() {
            if std::time::Instant::now() >= deadline {
                return Err(ClusterError::NotServing {
                    what: format!("after {limit:?} {name} has not ended"),
                });
            }
            std::thread::sleep(POLL_PAUSE);
        }
        match self.children.remove(name) {
            Some(mut child) => child
                .wait()
                .map(drop)
                .map_err(while_(format!("wait for {name}"))),
            None => Ok(()),
        }
    }

    /// Writes the state file whole or not at all.
    fn save(&self) -> Result<(), ClusterError> {
        let text = serde_json::to_vec_pretty(&self.state)
            .expect("the state holds strings and numbers only");
        let path = self.directory.join(STATE_FILE);
        let draft = path.with_extension("draft");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(while_("write the state file"))
    }
}

/// A cluster that was launched to live with its parent ends with its handle.
impl Drop for Cluster {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::WithParent
            && let Err(error) = self.down()
        {
            tracing::error!(%error, "the cluster was not ended");
        }
    }
}

/// An account and a key pair that no other cluster on this machine has.
fn identity() -> Identity {
    let random = || RandomState::new().hash_one(std::process::id());
    let account = format!("{:012}", random() % 1_000_000_000_000);
    let key_pair = KeyPair {
        id: format!("AKIA{:016X}", random()),
        secret: format!("{:016x}{:016x}", random(), random()),
    };
    Identity { account, key_pair }
}
