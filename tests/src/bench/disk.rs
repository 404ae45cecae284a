//! What the disk gives: durability is shown beside every number, so that nobody compares a machine that syncs with one
//! that does not.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Enough for a median, over in a moment.
const SYNCS: usize = 200;

/// What a small log append writes.
const APPEND_BYTES: usize = 2048;

/// The median time of an append of 2 KiB with `fdatasync`, in this folder.
pub(super) fn fdatasync_p50(folder: &Path) -> io::Result<Duration> {
    let path = folder.join("fdatasync-probe");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[0x5a; APPEND_BYTES])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    std::fs::remove_file(path)?;
    Ok(times[SYNCS / 2])
}
