//! A cgroup for each process, version 2 or 1, where this user may make one: limits, everything in it killed at once, and word of
//! a kill for lack of memory. Where it may not be made, the process runs without.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::runtime::ContainerSpec;

const ROOT: &str = "/sys/fs/cgroup";
/// Under this name the cgroups of all tasks are together.
const OURS: &str = "quorate";
const PERIOD_US: u64 = 100_000;
const MIB: u64 = 1024 * 1024;
/// The kernel lets go of a cgroup some time after the last process in it is gone.
const REMOVE_TRIES: u32 = 100;
const REMOVE_AGAIN: Duration = Duration::from_millis(20);

/// What a process may have; 0 = no limit of ours.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    memory_mib: u64,
    memory_reservation_mib: u64,
    cpu_shares: u64,
    cpu_limit_units: u64,
}

impl Limits {
    /// Those of a container.
    pub(super) fn of(spec: &ContainerSpec) -> Self {
        Self {
            memory_mib: spec.memory_mib,
            memory_reservation_mib: spec.memory_reservation_mib,
            cpu_shares: spec.cpu_shares,
            cpu_limit_units: spec.cpu_limit_units,
        }
    }

    /// Whether this process may hold others to limits, found by trying.
    pub(super) fn are_to_be_had() -> bool {
        let group = Group::create(&format!("probe-{}", std::process::id()), &Self::default());
        let files = ["memory.max", "memory.limit_in_bytes"];
        let mut places = group
            .directories
            .iter()
            .flat_map(|directory| files.map(|file| directory.join(file)));
        let has_limits = places.any(|place| place.exists());
        group.is_discarded();
        has_limits
    }
}

/// The cgroups of one process: one in version 2, one for each controller in version 1, none where that is not allowed.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    directories: Vec<PathBuf>,
}

impl Group {
    /// Makes a group called `name` with `limits`, below the cgroup of this process where the kernel lets it.
    pub(super) fn create(name: &str, limits: &Limits) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let is_v2 = Path::new(ROOT).join("cgroup.controllers").exists();
        let directories = if is_v2 {
            place_v2(&parents_v2(&own), name)
        } else {
            places_v1(&own, name)
        };
        let group = Self { directories };
        let limit = if is_v2 { limit_v2 } else { limit_v1 };
        let made = group
            .directories
            .iter()
            .try_for_each(|directory| make(directory).and_then(|()| limit(directory, limits)));
        match made {
            Ok(()) => group,
            Err(_not_allowed) => {
                // Nothing is in it yet, so it goes at once.
                group.is_discarded();
                Self::default()
            }
        }
    }

    /// The group that an earlier process has made.
    pub(super) fn from_directories(directories: Vec<PathBuf>) -> Self {
        Self { directories }
    }

    /// Where it is, to be found again.
    pub(super) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Puts this process into it.
    pub(super) fn enter(&self) -> io::Result<()> {
        self.directories
            .iter()
            .try_for_each(|directory| fs::write(directory.join("cgroup.procs"), "0"))
    }

    /// Kills all that is in it.
    pub(super) fn kill(&self) {
        for directory in &self.directories {
            if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            for pid in members(directory) {
                // A failure means that it is gone.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    /// True if the kernel has killed something in it for lack of memory.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let files = self.directories.iter().flat_map(|directory| {
            ["memory.events", "memory.oom_control"].map(|file| directory.join(file))
        });
        files
            .filter_map(|file| fs::read_to_string(file).ok())
            .any(|text| oom_kills(&text) > 0)
    }

    /// Removes it; what is left in it is killed first.
    pub(super) async fn remove(self) {
        for _ in 0..REMOVE_TRIES {
            if self.is_discarded() {
                return;
            }
            self.kill();
            sleep(REMOVE_AGAIN).await;
        }
    }

    fn is_discarded(&self) -> bool {
        let is_all_gone = self.directories.iter().all(|directory| is_gone(directory));
        // The directory of all goes with the last; while there are others, it cannot.
        let ours = self
            .directories
            .iter()
            .filter_map(|directory| directory.parent());
        ours.for_each(|ours| drop(fs::remove_dir(ours)));
        is_all_gone
    }
}

fn is_gone(directory: &Path) -> bool {
    match fs::remove_dir(directory) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn members(directory: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    text.lines()
        .filter_map(|line| Pid::from_raw(line.trim().parse().ok()?))
        .collect()
}

fn oom_kills(text: &str) -> u64 {
    let counts = text
        .lines()
        .filter_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
    counts.max().unwrap_or(0)
}

/// Own cgroup first, so that whoever limits the agent limits its tasks; but a cgroup with processes in it, as that one is, can
/// pass no controllers on unless it is the root.
fn parents_v2(own: &str) -> Vec<PathBuf> {
    let path = own
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap_or("/");
    vec![
        Path::new(ROOT).join(path.trim_start_matches('/')),
        PathBuf::from(ROOT),
    ]
}

/// Without a parent that passes controllers on there are no limits, but all of its processes are still found and killed as one.
fn place_v2(parents: &[PathBuf], name: &str) -> Vec<PathBuf> {
    let parent = parents
        .iter()
        .find(|parent| passes_on(parent))
        .or(parents.first());
    parent
        .map(|parent| parent.join(OURS).join(name))
        .into_iter()
        .collect()
}

fn make(directory: &Path) -> io::Result<()> {
    // The directory of all is removed with the last one in it, perhaps between these two steps.
    let made = fs::create_dir_all(directory).or_else(|_| fs::create_dir_all(directory));
    made?;
    if let Some(ours) = directory.parent() {
        passes_on(ours);
    }
    Ok(())
}

fn passes_on(directory: &Path) -> bool {
    let control = directory.join("cgroup.subtree_control");
    // Writing fails where it may not be passed on, and where it is already is told by reading.
    let _ = fs::write(&control, "+memory +cpu");
    fs::read_to_string(&control).is_ok_and(|on| {
        ["memory", "cpu"]
            .iter()
            .all(|name| on.split_whitespace().any(|word| word == *name))
    })
}

fn limit_v2(directory: &Path, limits: &Limits) -> io::Result<()> {
    if !directory.join("memory.max").exists() {
        return Ok(());
    }
    if limits.memory_mib > 0 {
        fs::write(
            directory.join("memory.max"),
            (limits.memory_mib * MIB).to_string(),
        )?;
        // Not there without swap.
        let _ = fs::write(directory.join("memory.swap.max"), "0");
    }
    if limits.memory_reservation_mib > 0 {
        fs::write(
            directory.join("memory.low"),
            (limits.memory_reservation_mib * MIB).to_string(),
        )?;
    }
    if limits.cpu_shares > 0 {
        fs::write(
            directory.join("cpu.weight"),
            weight(limits.cpu_shares).to_string(),
        )?;
    }
    if limits.cpu_limit_units > 0 {
        fs::write(
            directory.join("cpu.max"),
            format!("{} {PERIOD_US}", quota_us(limits.cpu_limit_units)),
        )?;
    }
    Ok(())
}

/// Version 1's shares (2 to 262144) on version 2's scale (1 to 10000).
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

/// Time in each period for so many 1024ths of a CPU; the kernel takes no less than a millisecond.
fn quota_us(units: u64) -> u64 {
    (units * PERIOD_US / 1024).max(1_000)
}

fn places_v1(own: &str, name: &str) -> Vec<PathBuf> {
    let parents = ["memory", "cpu"]
        .into_iter()
        .filter_map(|controller| parent_v1(own, controller));
    parents.map(|parent| parent.join(OURS).join(name)).collect()
}

fn parent_v1(own: &str, controller: &str) -> Option<PathBuf> {
    let hierarchy = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers
            .split(',')
            .any(|name| name == controller)
            .then_some((controllers, path))
    });
    let (controllers, path) = hierarchy?;
    let mount = [controllers, controller]
        .map(|name| Path::new(ROOT).join(name))
        .into_iter()
        .find(|mount| mount.is_dir())?;
    let below = mount.join(path.trim_start_matches('/'));
    // In a container the path may be one of the host's, which is not to be seen from inside.
    Some(if below.is_dir() { below } else { mount })
}

fn limit_v1(directory: &Path, limits: &Limits) -> io::Result<()> {
    let limits = [
        ("memory.limit_in_bytes", limits.memory_mib * MIB),
        (
            "memory.soft_limit_in_bytes",
            limits.memory_reservation_mib * MIB,
        ),
        ("cpu.shares", limits.cpu_shares),
        (
            "cpu.cfs_quota_us",
            if limits.cpu_limit_units > 0 {
                quota_us(limits.cpu_limit_units)
            } else {
                0
            },
        ),
    ];
    for (file, value) in limits {
        let path = directory.join(file);
        if value > 0 && path.exists() {
            fs::write(path, value.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_those_the_kernel_uses() {
        assert_eq!((weight(2), weight(1024), weight(262_144)), (1, 39, 10_000));
        assert_eq!(
            (quota_us(1024), quota_us(256), quota_us(1)),
            (100_000, 25_000, 1_000)
        );
        assert_eq!(
            oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            2
        );
        assert_eq!(oom_kills("low 0\nhigh 0\noom 4\noom_kill 0\n"), 0);
    }

    #[test]
    fn the_own_cgroup_is_where_the_kernel_says() {
        let own =
            "9:name=systemd:/\n4:memory:/no-such-place\n3:cpuset:/\n1:cpu,cpuacct:/\n0::/a/b\n";
        assert_eq!(parents_v2(own)[0], Path::new("/sys/fs/cgroup/a/b"));
        if Path::new("/sys/fs/cgroup/memory").is_dir() {
            assert_eq!(
                parent_v1(own, "memory"),
                Some(PathBuf::from("/sys/fs/cgroup/memory"))
            );
        }
        assert_eq!(parent_v1(own, "blkio"), None);
    }
}
