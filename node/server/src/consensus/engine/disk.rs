//! The few things every file that must survive a power cut needs: a lock against a second process, and synced directories.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Holds a directory for this process. The lock goes with the process, however that ends; the file stays.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock, or `None` if another process (or another part of this one) holds it.
    ///
    /// # Errors
    /// If the lock file cannot be created.
    pub(crate) fn take(path: &Path) -> io::Result<Option<DirLock>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(DirLock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
/// If the directory cannot be opened or synced.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes every file in a directory durable, and their names, and the directory's own name.
pub(super) fn sync_files(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() {
            File::open(&path)?.sync_all()?;
        }
    }
    sync_dir(dir)?;
    dir.parent().map_or(Ok(()), sync_dir)
}

/// Bytes and number of the files directly in a directory; nothing if it does not exist.
pub(super) fn weigh(dir: &Path) -> io::Result<(u64, u64)> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        entries => entries?,
    };
    let (mut bytes, mut files) = (0, 0);
    for entry in entries {
        // A file may be removed between being listed and being measured.
        if let Ok(meta) = entry?.metadata()
            && meta.is_file()
        {
            bytes += meta.len();
            files += 1;
        }
    }
    Ok((bytes, files))
}
