//! The disk as consensus uses it: a few directories of files that are written by position and synced. Production is [`Fs`], the file system of the
//! machine; a simulation has one in memory that loses what was not synced. sled keeps its own files and knows nothing of this.
//!
//! What a power cut leaves is part of the promise. The content and the length of a file are durable after [`File::sync_data`]; before that any
//! part of what was written since may be there. A name (created, renamed, removed) is durable after [`Files::sync_dir`] of its directory.
//! The operations block; whoever must not wait runs them elsewhere.

use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and to write.
    ReadWrite,
    /// A file to read and to write that begins empty, whether or not it was there.
    Create,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its length in bytes, if it is a file.
    pub len: u64,
    /// Whether it is a file, not a directory.
    pub is_file: bool,
}

/// A file system. Errors are those of the system: a name that is absent is [`io::ErrorKind::NotFound`], a full disk is
/// [`io::ErrorKind::StorageFull`]. After a failed write or sync it is unknown what the disk holds.
pub trait Files: Debug + Send + Sync + 'static {
    /// Creates a directory and those above it; an existing one is fine.
    ///
    /// # Errors
    /// As the system says.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Opens a file.
    ///
    /// # Errors
    /// As the system says; `NotFound` if it has to exist and does not.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn File>>;

    /// The whole content of a file.
    ///
    /// # Errors
    /// As the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names in a directory, sorted. A name that is not text cannot be one of ours and is left out.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// What a name stands for.
    ///
    /// # Errors
    /// `NotFound` if it stands for nothing, or as the system says.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Gives a file another name in one step; a file that had that name is gone.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away. Whoever has it open keeps it.
    ///
    /// # Errors
    /// As the system says; `NotFound` if there is none.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the lock that the file at `path` (created if need be) stands for, or `None` if somebody else holds it. It is let go when the value
    /// is dropped or the process ends; the file stays.
    ///
    /// # Errors
    /// If the file cannot be created, or as the system says.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;

    /// The time that operations since the last call would have taken on a disk that is only simulated: the log's writer lets it pass before it
    /// tells anybody that their change is durable. A real disk takes its time by itself, so this is zero.
    fn take_latency(&self) -> Duration;
}

/// An open file. Readers and one writer may use it at the same time.
#[expect(
    clippy::len_without_is_empty,
    reason = "nobody asks whether a file is empty"
)]
pub trait File: Debug + Send + Sync + 'static {
    /// Reads bytes from `offset` on into `buffer`; fewer than it holds only at the end of the file, none beyond it. An interrupted read goes on.
    ///
    /// # Errors
    /// As the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. A gap before it is filled with zeros.
    ///
    /// # Errors
    /// As the system says; any part of it may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or fills it up with zeros, to this length.
    ///
    /// # Errors
    /// As the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// How long the file is.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// Makes the file's content and length durable. Its name is another matter: [`Files::sync_dir`].
    ///
    /// # Errors
    /// As the system says. Trying again proves nothing: the system may have forgotten what it could not write.
    fn sync_data(&self) -> io::Result<()>;
}

/// A lock that is held until this is dropped.
pub trait Lock: Debug + Send + Sync + 'static {}

impl dyn File {
    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// If the file ends before it is full, or as the system says.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_at(buffer, offset)? == buffer.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// A file that is read or written from its beginning to its end.
#[derive(Debug)]
pub struct Sequential {
    file: Box<dyn File>,
    position: u64,
}

impl Sequential {
    /// At the beginning of `file`.
    #[must_use]
    pub fn new(file: Box<dyn File>) -> Self {
        Self { file, position: 0 }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &dyn File {
        &*self.file
    }
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Write for Sequential {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(bytes, self.position)?;
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// Nothing is held back here; what is durable is the file's business.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fs;

impl Files for Fs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            Open::Read => {}
            Open::ReadWrite => {
                options.write(true);
            }
            Open::Create => {
                options.write(true).create(true).truncate(true);
            }
        }
        Ok(Box::new(options.open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(dir)?.filter_map(|entry| {
            entry
                .map(|entry| entry.file_name().into_string().ok())
                .transpose()
        });
        let mut names = names.collect::<io::Result<Vec<String>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let found = fs::metadata(path)?;
        Ok(Metadata {
            len: found.len(),
            is_file: found.is_file(),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(Flock { _file: file }))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn take_latency(&self) -> Duration {
        Duration::ZERO
    }
}

impl File for fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(self, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        fs::File::set_len(self, len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        fs::File::sync_data(self)
    }
}

/// A lock of the system's on an open file: it goes with the file, however the process ends.
#[derive(Debug)]
struct Flock {
    _file: fs::File,
}

impl Lock for Flock {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_are_what_they_promise() {
        let dir = tempfile::tempdir().unwrap();
        let (fs, path) = (Fs, dir.path().join("a/b/file"));
        assert_eq!(
            fs.open(&path, Open::ReadWrite).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        fs.create_dir_all(&dir.path().join("a/b")).unwrap();
        let file = fs.open(&path, Open::Create).unwrap();
        file.write_all_at(b"end", 5).unwrap();
        file.sync_data().unwrap();
        let mut buffer = [1; 16];
        assert_eq!(file.read_at(&mut buffer, 3).unwrap(), 5);
        assert_eq!(&buffer[..6], b"\0\0end\x01");
        assert_eq!(file.read_at(&mut buffer, 9).unwrap(), 0);
        assert!(file.read_exact_at(&mut [0; 4], 5).is_err());
        file.set_len(6).unwrap();
        assert_eq!(file.len().unwrap(), 6);
        assert_eq!(fs.read(&path).unwrap(), b"\0\0\0\0\0e");

        fs.rename(&path, &dir.path().join("a/z")).unwrap();
        fs.sync_dir(&dir.path().join("a")).unwrap();
        assert_eq!(fs.list(&dir.path().join("a")).unwrap(), ["b", "z"]);
        assert!(!fs.metadata(&dir.path().join("a/b")).unwrap().is_file);
        assert_eq!(fs.metadata(&dir.path().join("a/z")).unwrap().len, 6);
        fs.open(&dir.path().join("a/z"), Open::Create).unwrap();
        assert_eq!(fs.read(&dir.path().join("a/z")).unwrap(), b"");
        fs.remove_file(&dir.path().join("a/z")).unwrap();
        assert_eq!(
            fs.remove_file(&dir.path().join("a/z")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_lock_is_held_once_and_let_go_with_its_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Fs.lock(&path).unwrap().unwrap();
        assert!(Fs.lock(&path).unwrap().is_none());
        drop(held);
        assert!(Fs.lock(&path).unwrap().is_some());
    }
}
