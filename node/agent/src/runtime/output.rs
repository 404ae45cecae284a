//! What a container printed last, kept where it failed: enough to see why without going to its machine.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::Exit;

/// Lines that are kept.
pub(super) const LINES_MOST: usize = 20;
/// Bytes that are kept: they travel through the log of the control plane and stay with the stopped task.
pub(super) const BYTES_MOST: usize = 1024;

/// Whether its output may say what its exit does not: it ran, and did not end with 0.
pub(super) fn is_wanted(exit: &Exit) -> bool {
    !exit.never_started && exit.code != Some(0)
}

/// The last lines of what was printed; of a first line that is too long, its end.
pub(super) fn tail(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let kept = lines[lines.len().saturating_sub(LINES_MOST)..].join("\n");
    let too_many = kept.len().saturating_sub(BYTES_MOST);
    let start = (too_many..=kept.len()).find(|place| kept.is_char_boundary(*place));
    kept[start.unwrap_or_default()..].to_owned()
}

/// The end of two streams that were written apart: of the errors as much as is kept, before them what room is left of the output.
pub(super) fn tail_of_files(stdout: &Path, stderr: &Path) -> io::Result<String> {
    let errors = end_of(stderr)?;
    let mut printed = end_of(stdout)?;
    if !errors.is_empty() && !printed.is_empty() && !printed.ends_with(b"\n") {
        printed.push(b'\n');
    }
    Ok(tail(&[printed, errors].concat()))
}

fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES_MOST as u64)))?;
    let mut end = Vec::new();
    file.take(BYTES_MOST as u64).read_to_end(&mut end)?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_both_limits() {
        assert_eq!(tail(b""), "");
        assert_eq!(tail(b"one\ntwo\n\n"), "one\ntwo");
        let many: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert!(tail(many.as_bytes()).starts_with("80\n81\n"));
        let long = "\u{e9}".repeat(BYTES_MOST);
        assert_eq!(tail(long.as_bytes()), "\u{e9}".repeat(BYTES_MOST / 2));
        assert_eq!(tail(b"\xff\xfe").chars().count(), 2, "never refused");
    }

    #[test]
    fn errors_stand_last() {
        let folder = tempfile::tempdir().unwrap();
        let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
        std::fs::write(&stdout, "x\n".repeat(2000) + "starting").unwrap();
        std::fs::write(&stderr, "no such file\n").unwrap();
        let kept = tail_of_files(&stdout, &stderr).unwrap();
        assert!(kept.ends_with("x\nstarting\nno such file"), "{kept}");
    }
}
