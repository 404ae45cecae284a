//! What both engines do with a directory as a whole: make everything in it durable, and weigh it.

use std::io;
use std::path::Path;

use crate::files::{Files, Open};

/// Makes every file in a directory durable, and their names, and the directory's own name.
pub(super) fn sync_files(files: &dyn Files, dir: &Path) -> io::Result<()> {
    for name in files.list(dir)? {
        let path = dir.join(name);
        if files.metadata(&path)?.is_file {
            files.open(&path, Open::Read)?.sync_data()?;
        }
    }
    files.sync_dir(dir)?;
    dir.parent().map_or(Ok(()), |parent| files.sync_dir(parent))
}

/// Bytes and number of the files directly in a directory; nothing if it does not exist.
pub(super) fn weigh(files: &dyn Files, dir: &Path) -> io::Result<(u64, u64)> {
    let names = match files.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
        names => names?,
    };
    let (mut bytes, mut count) = (0, 0);
    for name in names {
        // A file may be removed between being listed and being measured.
        if let Ok(found) = files.metadata(&dir.join(name))
            && found.is_file
        {
            bytes += found.len;
            count += 1;
        }
    }
    Ok((bytes, count))
}
