//! State to bytes and back. Rows in table order, indexes rebuilt at reading. Equal states have equal bytes, hence equal digests.
//!
//! Damage is the business of whoever keeps the bytes (checked files); here only what does not parse is noticed.

use std::fmt;
use std::io::{self, Read, Write};

use quorate_bugs::{Bug, is_seeded};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::codec::{self, CodecError};
use crate::ids::{ClusterName, Family, RequestId};
use crate::state::{
    CapacityProvider, Cluster, FamilyRecord, Instance, NodeRecord, Queue, Remembered, Revision,
    Service, ServiceDeployment, ServiceEvent, State, Task, TaskDefinition, TokenRecord,
    WaitingTask,
};
use crate::time::Millis;

/// The number of this form. A reader takes this one and those before it.
pub const FORMAT: u32 = 4;
/// The form before: it has no account settings.
const FORMAT_WITHOUT_SETTINGS: u32 = 3;
/// The second form: it has no capacity providers either, and no tasks that wait for them.
const FORMAT_WITHOUT_PROVIDERS: u32 = 2;
/// The first form: it has no services either.
const FORMAT_WITHOUT_SERVICES: u32 = 1;

/// No row is larger: it holds what came in a few log entries, and the log takes none of more than 1 MiB.
const ROW_MAX_BYTES: usize = 16 << 20;

/// Bytes that are not a snapshot we can read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Reading failed, or the bytes ended early.
    #[error("read snapshot")]
    Io(#[from] io::Error),
    /// Another form.
    #[error("snapshot has format {found}, this program reads {FORMAT}")]
    Format {
        /// The number it has.
        found: u32,
    },
    /// A row that cannot be.
    #[error("snapshot row of {0} bytes exceeds {ROW_MAX_BYTES}")]
    RowTooLarge(usize),
    /// A row that does not parse.
    #[error(transparent)]
    Row(#[from] CodecError),
}

/// SHA-256 over what a snapshot of the state would hold. Equal indexes have equal digests on all nodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl State {
    /// What all replicas that applied the same entries agree on. Costs a walk over the whole state.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Hashing(Sha256::new());
        write(self, &mut hash).expect("hashing does not fail");
        Digest(hash.0.finalize().into())
    }
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the whole state.
pub fn write(state: &State, to: &mut impl Write) -> io::Result<()> {
    to.write_all(&FORMAT.to_be_bytes())?;
    row(to, &(state.applied_index, state.now))?;
    table(to, state.clusters.size(), state.clusters())?;
    table(to, state.families.size(), state.families())?;
    table(to, state.definitions.size(), state.definitions())?;
    table(to, state.instances.size(), state.instances())?;
    table(to, state.tasks.size(), state.tasks())?;
    table(to, state.nodes.size(), state.nodes())?;
    table(to, state.tokens.size(), state.tokens.iter())?;
    table(to, state.requests.size(), state.requests.iter())?;
    table(to, state.services.size(), state.services())?;
    table(to, state.service_events.size(), events(state))?;
    table(to, state.revisions.size(), state.revisions())?;
    table(
        to,
        state.service_deployments.size(),
        state.service_deployments(),
    )?;
    table(to, state.providers.size(), state.providers())?;
    table(to, state.waiting.size(), state.waiting_tasks())?;
    table(to, state.queues.size(), state.queues())?;
    row(to, &state.lived)?;
    table(to, state.settings.size(), state.settings.iter())
}

fn events(state: &State) -> impl Iterator<Item = &ServiceEvent> {
    state.service_events.values().map(|event| event.as_ref())
}

/// Reads what [`write`] wrote.
pub fn read(from: &mut impl Read) -> Result<State, SnapshotError> {
    let found = u32::from_be_bytes(exactly(from)?);
    if !(FORMAT_WITHOUT_SERVICES..=FORMAT).contains(&found) {
        return Err(SnapshotError::Format { found });
    }
    let mut state = State::default();
    let (applied_index, now): (u64, Millis) = read_row(from)?;
    (state.applied_index, state.now) = (applied_index, now);
    read_table(from, |cluster: Cluster| state.put_cluster(cluster))?;
    read_table(from, |(family, record): (Family, FamilyRecord)| {
        state.put_family(family, record);
    })?;
    read_table(from, |definition: TaskDefinition| {
        state.put_definition(definition);
    })?;
    read_table(from, |instance: Instance| state.put_instance(instance))?;
    read_table(from, |task: Task| state.put_task(task))?;
    read_table(from, |node: NodeRecord| state.put_node(node))?;
    read_table(
        from,
        |((cluster, token), record): ((ClusterName, String), TokenRecord)| {
            if !is_seeded(Bug::TokensNotInSnapshot) {
                state.put_token(cluster, token, record);
            }
        },
    )?;
    read_table(from, |(request, remembered): (RequestId, Remembered)| {
        state.put_request(request, remembered);
    })?;
    if found > FORMAT_WITHOUT_SERVICES {
        read_services(from, &mut state)?;
    }
    if found > FORMAT_WITHOUT_PROVIDERS {
        read_table(from, |one: CapacityProvider| state.put_provider(one))?;
        read_table(from, |task: WaitingTask| state.put_waiting(task))?;
        read_table(from, |queue: Queue| state.put_queue(queue))?;
        state.lived = read_row(from)?;
    } else {
        // What is remembered of requests carries the log's time there.
        state.lived = now;
    }
    if found > FORMAT_WITHOUT_SETTINGS {
        read_table(from, |(key, value): ((String, String), String)| {
            state.settings.insert_mut(key, value);
        })?;
    }
    Ok(state)
}

fn read_services(from: &mut impl Read, state: &mut State) -> Result<(), SnapshotError> {
    read_table(from, |service: Service| state.put_service(service))?;
    read_table(from, |event: ServiceEvent| state.put_event(event))?;
    read_table(from, |revision: Revision| state.put_revision(revision))?;
    read_table(from, |deployment: ServiceDeployment| {
        state.put_service_deployment(deployment);
    })
}

fn table<T: Serialize>(
    to: &mut impl Write,
    count: usize,
    rows: impl Iterator<Item = T>,
) -> io::Result<()> {
    to.write_all(&(count as u64).to_be_bytes())?;
    for one in rows {
        row(to, &one)?;
    }
    Ok(())
}

fn row<T: Serialize>(to: &mut impl Write, value: &T) -> io::Result<()> {
    let bytes = codec::encode(value);
    let length = u32::try_from(bytes.len()).expect("no row has 4 GiB: see ROW_MAX_BYTES");
    to.write_all(&length.to_be_bytes())?;
    to.write_all(&bytes)
}

fn read_table<T: DeserializeOwned>(
    from: &mut impl Read,
    mut take: impl FnMut(T),
) -> Result<(), SnapshotError> {
    let count = u64::from_be_bytes(exactly(from)?);
    for _ in 0..count {
        take(read_row(from)?);
    }
    Ok(())
}

fn read_row<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, SnapshotError> {
    let length = u32::from_be_bytes(exactly(from)?) as usize;
    if length > ROW_MAX_BYTES {
        return Err(SnapshotError::RowTooLarge(length));
    }
    // Memory is taken as bytes arrive: a damaged length must not cost more than it delivers.
    let mut bytes = Vec::new();
    from.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(codec::decode("snapshot row", &bytes)?)
}

fn exactly<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}
