//! The product's view of a simulated disk.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_server::files::{File, Files, Lock, Metadata, Open};

use super::content::{Content, Inode};
use super::names::Entry;
use super::{Disk, Platter};
use crate::world::Life;

/// A disk as one life uses it.
#[derive(Clone)]
pub struct Mount {
    disk: Disk,
    life: Life,
}

impl Mount {
    pub(super) fn new(disk: Disk, life: Life) -> Self {
        Self { disk, life }
    }

    /// Looks at the disk.
    fn look<T>(&self, look: impl FnOnce(&Platter) -> io::Result<T>) -> io::Result<T> {
        let platter = self.disk.platter.lock();
        platter.admit(&self.life)?;
        look(&platter)
    }

    /// Changes something on it.
    fn change<T>(&self, change: impl FnOnce(&mut Platter) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.disk.platter.lock();
        platter.begin(&self.life, &self.disk.trace)?;
        change(&mut platter)
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mount({})", self.life)
    }
}

impl Files for Mount {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> = dir
            .ancestors()
            .filter(|dir| dir.parent().is_some())
            .collect();
        missing.reverse();
        for dir in missing {
            match self.look(|platter| Ok(platter.names.get(dir)))? {
                Some(Entry::Directory) => {}
                Some(Entry::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                None => self.change(|platter| {
                    platter.names.set(dir, Some(Entry::Directory));
                    Ok(())
                })?,
            }
        }
        Ok(())
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn File>> {
        let found = self.look(|platter| Ok(platter.names.get(path)))?;
        let inode = match (found, how) {
            (Some(Entry::Directory), _) => return Err(ErrorKind::IsADirectory.into()),
            (None, Open::Read | Open::ReadWrite) => return Err(ErrorKind::NotFound.into()),
            (Some(Entry::File(inode)), Open::Read | Open::ReadWrite) => inode,
            (Some(Entry::File(inode)), Open::Create) => self.change(|platter| {
                platter.content_mut(inode)?.set_len(0);
                Ok(inode)
            })?,
            (None, Open::Create) => self.change(|platter| platter.create(path))?,
        };
        self.disk.platter.lock().contents.hold(inode);
        Ok(Box::new(Handle {
            mount: self.clone(),
            inode,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.look(|platter| Ok(platter.file(path)?.bytes().to_vec()))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.look(|platter| match platter.names.get(dir) {
            Some(Entry::Directory) => Ok(platter.names.list(dir)),
            Some(Entry::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        })
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.look(|platter| match platter.names.get(path) {
            Some(Entry::Directory) => Ok(Metadata {
                len: 0,
                is_file: false,
            }),
            Some(Entry::File(_)) => Ok(Metadata {
                len: platter.file(path)?.bytes().len() as u64,
                is_file: true,
            }),
            None => Err(ErrorKind::NotFound.into()),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|platter| {
            platter.names.get(from).ok_or(ErrorKind::NotFound)?;
            platter.names.rename(from, to);
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change(|platter| {
            platter.file(path)?;
            platter.names.set(path, None);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(|platter| {
            platter.names.get(dir).ok_or(ErrorKind::NotFound)?;
            platter.names.sync(dir);
            platter.contents.drop_nameless(&platter.names.named());
            platter.take_sync_time();
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let is_free = self.look(|platter| Ok(!platter.locks.iter().any(|held| held == path)))?;
        if !is_free {
            return Ok(None);
        }
        self.change(|platter| {
            if platter.names.get(path).is_none() {
                platter.create(path)?;
            }
            platter.locks.push(path.to_owned());
            Ok(())
        })?;
        Ok(Some(Box::new(Held {
            mount: self.clone(),
            path: path.to_owned(),
        })))
    }

    fn take_latency(&self) -> Duration {
        std::mem::take(&mut self.disk.platter.lock().latency)
    }
}

impl Platter {
    fn create(&mut self, path: &Path) -> io::Result<Inode> {
        let parent = path.parent().ok_or(ErrorKind::IsADirectory)?;
        if self.names.get(parent) != Some(Entry::Directory) {
            return Err(ErrorKind::NotFound.into());
        }
        if self.is_full {
            return Err(ErrorKind::StorageFull.into());
        }
        let inode = self.contents.create();
        self.names.set(path, Some(Entry::File(inode)));
        Ok(inode)
    }

    fn file(&self, path: &Path) -> io::Result<&Content> {
        match self.names.get(path) {
            Some(Entry::File(inode)) => self.content(inode),
            Some(Entry::Directory) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn content(&self, inode: Inode) -> io::Result<&Content> {
        self.contents.get(inode).ok_or(ErrorKind::NotFound.into())
    }

    fn content_mut(&mut self, inode: Inode) -> io::Result<&mut Content> {
        self.contents
            .get_mut(inode)
            .ok_or(ErrorKind::NotFound.into())
    }
}

/// An open file.
#[derive(Debug)]
struct Handle {
    mount: Mount,
    inode: Inode,
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.mount.look(|platter| {
            let bytes = platter.content(self.inode)?.bytes();
            let from = place(offset).min(bytes.len());
            let count = buffer.len().min(bytes.len() - from);
            buffer[..count].copy_from_slice(&bytes[from..from + count]);
            Ok(count)
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.mount.change(|platter| {
            let is_full = platter.is_full;
            let content = platter.content_mut(self.inode)?;
            if is_full && place(offset) + bytes.len() > content.bytes().len() {
                return Err(ErrorKind::StorageFull.into());
            }
            content.write(place(offset), bytes);
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.mount.change(|platter| {
            platter.content_mut(self.inode)?.set_len(place(len));
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.mount
            .look(|platter| Ok(platter.content(self.inode)?.bytes().len() as u64))
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.mount.change(|platter| {
            platter.content_mut(self.inode)?.sync();
            platter.take_sync_time();
            Ok(())
        });
        if synced.is_err() && !self.mount.life.is_over() {
            let mut platter = self.mount.disk.platter.lock();
            if let Ok(content) = platter.content_mut(self.inode) {
                content.forget_unsynced();
            }
        }
        synced
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut platter = self.mount.disk.platter.lock();
        // With an earlier life, all that it held was let go.
        if platter.admit(&self.mount.life).is_ok() {
            platter.contents.release(self.inode);
        }
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files fit into memory")
}

/// A lock that is held.
#[derive(Debug)]
struct Held {
    mount: Mount,
    path: PathBuf,
}

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let mut platter = self.mount.disk.platter.lock();
        if platter.admit(&self.mount.life).is_ok() {
            platter.locks.retain(|held| *held != self.path);
        }
    }
}
