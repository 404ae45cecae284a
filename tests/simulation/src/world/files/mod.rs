//! A disk that forgets what it was not told to keep. Every node has one; it outlives the node's lives. What a program writes is seen by
//! the program at once, and is on the disk only after a sync: a loss of power keeps what was synced, and of the rest what it likes.
//!
//! `disk` is the product's `Files` on it, `content` what a file holds and keeps, `names` what directories hold and keep.

mod content;
mod disk;
mod names;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use self::content::Contents;
use self::names::Names;
use super::Life;
use crate::trace::{Event, Trace};

pub use disk::Mount;

/// What the kernel says when the device failed.
const EIO: i32 = 5;

/// The disk of one machine. Clones are the same disk.
#[derive(Clone)]
pub struct Disk {
    platter: Arc<Mutex<Platter>>,
    trace: Trace,
}

/// What is on it, and what is wrong with it.
struct Platter {
    rng: SmallRng,
    names: Names,
    contents: Contents,
    /// Who uses it now; handles of earlier lives get errors only.
    user: Option<Life>,
    locks: Vec<std::path::PathBuf>,
    /// Operations that change something, since the beginning.
    operations: u64,
    /// Just before this many operations the power goes.
    power_goes_at: Option<u64>,
    /// This operation fails.
    fails_at: Option<u64>,
    is_full: bool,
    /// What a sync takes, at least and at most, in microseconds.
    sync_us: (u64, u64),
    /// What a sync takes longer at present.
    slower_by: Duration,
    /// What operations took since this was asked last.
    latency: Duration,
}

impl Disk {
    /// An empty disk on which a sync takes so many microseconds.
    #[must_use]
    pub fn new(seed: u64, sync_us: (u64, u64), trace: Trace) -> Self {
        let platter = Platter {
            rng: SmallRng::seed_from_u64(seed),
            names: Names::default(),
            contents: Contents::default(),
            user: None,
            locks: Vec::new(),
            operations: 0,
            power_goes_at: None,
            fails_at: None,
            is_full: false,
            sync_us,
            slower_by: Duration::ZERO,
            latency: Duration::ZERO,
        };
        Self {
            platter: Arc::new(Mutex::new(platter)),
            trace,
        }
    }

    /// The disk as a new life finds it. Handles of earlier lives are dead from now on.
    #[must_use]
    pub fn mount(&self, life: &Life) -> Mount {
        let mut platter = self.platter.lock();
        platter.user = Some(life.clone());
        platter.contents.release_all();
        platter.locks.clear();
        platter.latency = Duration::ZERO;
        Mount::new(self.clone(), life.clone())
    }

    /// The power goes, or went when the last life ended: what was not synced is kept in part or not at all.
    pub fn lose_power(&self) {
        let Platter {
            rng,
            names,
            contents,
            user,
            power_goes_at,
            fails_at,
            ..
        } = &mut *self.platter.lock();
        *user = None;
        (*power_goes_at, *fails_at) = (None, None);
        let before = names.files();
        names.lose_power(rng);
        let after = names.files();
        let named = after.values().copied().collect();
        let lengths = contents.lose_power(rng, &named);
        for (path, inode) in &before {
            let place = path.display();
            match lengths.get(inode).filter(|_| after.contains_key(path)) {
                Some((seen, kept)) => self
                    .trace
                    .note(format_args!("{place}: {kept} of {seen} bytes kept")),
                None => self.trace.note(format_args!("{place}: lost")),
            }
        }
    }

    /// The power goes between two operations: after so many from now. The life that uses the disk ends with it.
    pub fn cut_power_after(&self, operations: u64) {
        let mut platter = self.platter.lock();
        platter.power_goes_at = Some(platter.operations + operations);
    }

    /// One operation fails, after so many from now.
    pub fn fail_after(&self, operations: u64) {
        let mut platter = self.platter.lock();
        platter.fails_at = Some(platter.operations + operations);
    }

    /// No room is left, or there is room again.
    pub fn set_full(&self, is_full: bool) {
        self.platter.lock().is_full = is_full;
    }

    /// Syncs take longer by this much.
    pub fn set_slower(&self, by: Duration) {
        self.platter.lock().slower_by = by;
    }

    /// Everything is as it should be again; what is on it stays.
    pub fn repair(&self) {
        let mut platter = self.platter.lock();
        (platter.power_goes_at, platter.fails_at) = (None, None);
        platter.is_full = false;
        platter.slower_by = Duration::ZERO;
    }
}

impl Platter {
    /// Whether `life` may use the disk at all.
    fn admit(&self, life: &Life) -> io::Result<()> {
        let is_user = self
            .user
            .as_ref()
            .is_some_and(|user| user.number == life.number && !life.is_over());
        if is_user { Ok(()) } else { Err(failed()) }
    }

    /// The beginning of every operation that changes something: whether it may happen.
    fn begin(&mut self, life: &Life, trace: &Trace) -> io::Result<()> {
        self.admit(life)?;
        self.operations += 1;
        if self.power_goes_at.is_some_and(|at| self.operations > at) {
            self.power_goes_at = None;
            trace.tell(Event::Fault(format!("power of {life} goes")));
            life.end();
            return Err(failed());
        }
        if self.fails_at.is_some_and(|at| self.operations > at) {
            self.fails_at = None;
            trace.tell(Event::Fault(format!("disk of {life} fails")));
            return Err(failed());
        }
        Ok(())
    }

    fn take_sync_time(&mut self) {
        let (shortest, longest) = self.sync_us;
        let drawn = Duration::from_micros(self.rng.random_range(shortest..=longest));
        self.latency += drawn + self.slower_by;
    }
}

fn failed() -> io::Error {
    io::Error::from_raw_os_error(EIO)
}
