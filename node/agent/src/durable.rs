//! Files that are there as a whole or not at all, through any crash.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path` so that a crash leaves the old content or the new: temporary file, sync, rename, sync of the directory.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_by_way_of(directory_of(path)?, path, bytes)
}

/// As [`write`], with the temporary file in `drafts`, a directory of the same file system: for a directory that somebody else
/// clears of what is not complete.
pub(crate) fn write_by_way_of(drafts: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| io::Error::other("a file needs a name"))?;
    // The process id keeps an agent and a shim apart that write to one directory at one time.
    let temporary = drafts.join(format!(".{name}.{}", std::process::id()));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory_of(path)?)?.sync_all()
}

fn directory_of(path: &Path) -> io::Result<&Path> {
    path.parent()
        .ok_or_else(|| io::Error::other("a file needs a directory"))
}

/// `remove_dir_all` that is content when there is nothing.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_dir_all(path))
}

/// `remove_file` that is content when there is nothing.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
