//! The sample's image: this executable and the libraries it has loaded, as a tar file for an engine to import. Nothing
//! is pulled from anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::failure::{Exit, Failure};

/// Where the executable lies in the image.
const PROGRAM: &str = "usr/bin/quorate";

/// Where an executable looks for its loader: one of these, by the architecture. The loader is put into both.
const LOADER_DIRECTORIES: [&str; 2] = ["lib", "lib64"];

const BLOCK: usize = 512;

/// The tar file.
pub(crate) fn of(program: &Path) -> Result<Bytes, Failure> {
    let failed = |what: &Path| {
        let what = format!("read {} for the sample's image", what.display());
        move |error: io::Error| Failure::new(Exit::Failed, what).because(error)
    };
    let maps = Path::new("/proc/self/maps");
    let loaded = libraries(&fs::read_to_string(maps).map_err(failed(maps))?, program);
    let mut files = vec![(PROGRAM.to_owned(), program.to_owned())];
    for library in loaded {
        let name = library
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with("ld-") {
            files.extend(
                LOADER_DIRECTORIES
                    .map(|directory| (format!("{directory}/{name}"), library.clone())),
            );
        }
        files.push((
            library
                .display()
                .to_string()
                .trim_start_matches('/')
                .to_owned(),
            library,
        ));
    }
    let mut tar = Vec::new();
    for (name, path) in files {
        append(&mut tar, &name, &fs::read(&path).map_err(failed(&path))?).map_err(failed(&path))?;
    }
    // Two empty blocks are the end.
    tar.resize(tar.len() + 2 * BLOCK, 0);
    Ok(tar.into())
}

/// What a Dockerfile would say of the image.
pub(crate) fn changes(port: u16) -> Vec<String> {
    vec![
        format!("ENTRYPOINT [\"/{PROGRAM}\"]"),
        "CMD [\"sample-app\"]".to_owned(),
        format!("EXPOSE {port}"),
    ]
}

/// The files that are mapped into a process as code or data, other than its executable.
fn libraries(maps: &str, program: &Path) -> BTreeSet<PathBuf> {
    // address, permissions, offset, device, inode, and a path that may hold spaces
    let paths = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| PathBuf::from(&line[at..])));
    let is_library = |path: &PathBuf| {
        path != program
            && path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().contains(".so"))
    };
    paths.filter(is_library).collect()
}

/// One regular file in the ustar format, readable and executable by all.
fn append(tar: &mut Vec<u8>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = [0_u8; BLOCK];
    if name.len() > 100 || content.len() >= 0o77_777_777_777 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "its path or size is too long for a tar file",
        ));
    }
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    // The checksum counts its own field as spaces.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&header);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::*;

    #[test]
    fn libraries_are_read_from_the_map_of_a_process() {
        let maps = "\
55d0a0000000-55d0a0100000 r-xp 00000000 fe:01 11 /opt/app.so-named/quorate
7f0000000000-7f0000001000 r--p 00000000 fe:01 12 /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000001000-7f0000002000 r-xp 00001000 fe:01 12 /usr/lib/x86_64-linux-gnu/libc.so.6
7f0000002000-7f0000003000 r--p 00000000 fe:01 13 /usr/lib/locale/C.utf8/LC_CTYPE
7f0000003000-7f0000004000 rw-p 00000000 00:00 0
7ffc00000000-7ffc00001000 rw-p 00000000 00:00 0 [stack]
";
        let found = libraries(maps, Path::new("/opt/app.so-named/quorate"));
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [PathBuf::from("/usr/lib/x86_64-linux-gnu/libc.so.6")]
        );
    }

    #[test]
    fn tar_reads_what_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        fs::write(&program, b"#!/bin/sh\n").unwrap();
        let file = directory.path().join("image.tar");
        fs::write(&file, of(&program).unwrap()).unwrap();
        let list = Command::new("tar").arg("-tvf").arg(&file).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        assert!(
            list.contains("-rwxr-xr-x") && list.contains(" usr/bin/quorate\n"),
            "{list}"
        );
    }
}
