//! Who this agent is: the instance id the control plane gave it, kept in a store that outlives it. On a real machine that is a file in the data
//! directory, together with the lock that keeps a second agent out of it.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::AgentError;
use crate::{clock, durable};

/// Identities given up are remembered so that what they still run is stopped and, its cleanup wait over, removed; an instance that
/// is deregistered more often than this within one cleanup wait is not a case.
const FORMER_KEPT: usize = 16;

/// The data directory of one agent, held alone while this lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    // The lock ends with the file's last handle, so also with a killed process.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is not there, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, AgentError> {
        let failed = |doing| {
            move |source| AgentError::DataDir {
                doing,
                path: path.to_owned(),
                source,
            }
        };
        fs::create_dir_all(path).map_err(failed("create data directory"))?;
        let path_absolute = fs::canonicalize(path).map_err(failed("resolve data directory"))?;
        let lock =
            File::create(path.join("lock")).map_err(failed("create a lock in data directory"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path_absolute,
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(AgentError::DataDirInUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(failed("lock data directory")(source)),
        }
    }

    /// The directory, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the identity is kept. Use it only while this lives.
    pub(crate) fn identity(&self) -> IdentityFile {
        IdentityFile(self.path.join("identity.json"))
    }
}

/// What keeps an identity. One agent has it at a time.
pub trait IdentityStore: fmt::Debug + Send + 'static {
    /// What errors call it.
    fn path(&self) -> &Path;

    /// What was stored last; nothing before the first time.
    ///
    /// # Errors
    /// If it cannot be read.
    fn load(&self) -> io::Result<Option<Vec<u8>>>;

    /// Keeps `bytes` instead of what it had, the whole of them or none; once this returns they outlive any crash.
    ///
    /// # Errors
    /// If they may not be kept.
    fn store(&self, bytes: &[u8]) -> io::Result<()>;
}

/// `identity.json` in a data directory.
#[derive(Debug)]
pub(crate) struct IdentityFile(PathBuf);

impl IdentityStore for IdentityFile {
    fn path(&self) -> &Path {
        &self.0
    }

    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.0) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn store(&self, bytes: &[u8]) -> io::Result<()> {
        durable::write(&self.0, bytes)
    }
}

/// What is kept, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Record {
    instance_id: String,
    registration_token: String,
    #[serde(default)]
    former: Vec<String>,
}

/// The identity of an agent; every change is stored before it is used.
#[derive(Debug)]
pub struct Identity {
    store: Box<dyn IdentityStore>,
    record: Record,
}

impl Identity {
    /// Takes the identity out of its store, or makes a nameless one with a registration token of its own.
    ///
    /// # Errors
    /// If the store fails, or holds something else.
    pub fn load(store: impl IdentityStore) -> Result<Self, AgentError> {
        let path = || store.path().to_owned();
        let found = store.load().map_err(|source| AgentError::DataDir {
            doing: "read",
            path: path(),
            source,
        })?;
        let known = found
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose();
        let known = known.map_err(|source| AgentError::Identity {
            path: path(),
            source,
        })?;
        let is_new = known.is_none();
        let record = known.unwrap_or_else(|| Record {
            instance_id: String::new(),
            registration_token: clock::unique(),
            former: Vec::new(),
        });
        let store = Box::new(store);
        let identity = Self { store, record };
        if is_new {
            identity.save()?;
        }
        Ok(identity)
    }

    /// The instance id; empty before the first registration.
    pub(crate) fn instance_id(&self) -> &str {
        &self.record.instance_id
    }

    /// The token that makes the first registration happen once.
    pub(crate) fn registration_token(&self) -> &str {
        &self.record.registration_token
    }

    /// Every instance id whose containers are this agent's: the present one and those given up.
    pub(crate) fn all(&self) -> Vec<String> {
        let present = Some(self.record.instance_id.clone()).filter(|id| !id.is_empty());
        present
            .into_iter()
            .chain(self.record.former.iter().cloned())
            .collect()
    }

    /// Takes the name the control plane gave. True if it is another than before.
    pub(crate) fn take(&mut self, instance_id: &str) -> Result<bool, AgentError> {
        if self.record.instance_id == instance_id {
            return Ok(false);
        }
        self.retire();
        self.record.instance_id = instance_id.to_owned();
        self.save()?;
        Ok(true)
    }

    /// The instance was deregistered: become nobody, with a new token.
    pub(crate) fn renew(&mut self) -> Result<(), AgentError> {
        self.retire();
        self.record.registration_token = clock::unique();
        self.save()
    }

    fn retire(&mut self) {
        let retired = std::mem::take(&mut self.record.instance_id);
        if !retired.is_empty() {
            self.record.former.insert(0, retired);
            self.record.former.truncate(FORMER_KEPT);
        }
    }

    fn save(&self) -> Result<(), AgentError> {
        let bytes = serde_json::to_vec_pretty(&self.record).expect("an identity is strings only");
        self.store
            .store(&bytes)
            .map_err(|source| AgentError::DataDir {
                doing: "write",
                path: self.store.path().to_owned(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_identity_survives_and_remembers_what_it_was() {
        let home = tempfile::tempdir().unwrap();
        let token = {
            let directory = DataDir::open(home.path()).unwrap();
            let mut identity = Identity::load(directory.identity()).unwrap();
            assert!(identity.take("mi-1").unwrap());
            assert!(!identity.take("mi-1").unwrap());
            identity.registration_token().to_owned()
        };
        let directory = DataDir::open(home.path()).unwrap();
        let mut identity = Identity::load(directory.identity()).unwrap();
        assert_eq!(
            (identity.instance_id(), identity.registration_token()),
            ("mi-1", token.as_str())
        );
        identity.renew().unwrap();
        assert_eq!(identity.instance_id(), "");
        assert_ne!(identity.registration_token(), token);
        identity.take("mi-2").unwrap();
        assert_eq!(
            Identity::load(directory.identity()).unwrap().all(),
            ["mi-2", "mi-1"]
        );
    }

    #[test]
    fn a_second_agent_is_kept_out_with_its_own_error() {
        let home = tempfile::tempdir().unwrap();
        let first = DataDir::open(home.path()).unwrap();
        let error = DataDir::open(home.path()).unwrap_err();
        assert!(matches!(error, AgentError::DataDirInUse { .. }), "{error}");
        assert_eq!(error.exit_code(), 73);
        drop(first);
        DataDir::open(home.path()).unwrap();
    }

    #[test]
    fn a_damaged_identity_is_an_error_not_a_new_instance() {
        let home = tempfile::tempdir().unwrap();
        let directory = DataDir::open(home.path()).unwrap();
        fs::write(home.path().join("identity.json"), b"{\"instance-id\":").unwrap();
        assert!(matches!(
            Identity::load(directory.identity()),
            Err(AgentError::Identity { .. })
        ));
    }
}
