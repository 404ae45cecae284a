//! Golden scripts: `node/core/scripts/*.txt`, one behaviour a file. Commands in; outcomes, changes, duties and placements out.
//!
//! A step is a line; what it came to stands below it, indented. After every step the state's invariants must hold, and a
//! snapshot of it must read back as the same state. `UPDATE_SCRIPTS=1` writes what came out into the scripts, to be read in
//! the diff. The words of a step are told in `script/mod.rs`.
#![allow(clippy::unwrap_used)]
#![expect(
    clippy::disallowed_methods,
    reason = "the ban is on I/O in core itself; scripts are files"
)]

mod script;

use std::fs;
use std::path::{Path, PathBuf};

use script::seen::Seen;

fn scripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_script_comes_to_what_it_says() {
    let is_update = std::env::var_os("UPDATE_SCRIPTS").is_some();
    let mut wrong = Vec::new();
    for path in scripts() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(&path).unwrap();
        let actual = script::run(&name, &expected, &mut Seen::default());
        if actual == expected {
            continue;
        }
        if is_update {
            fs::write(&path, &actual).unwrap();
        } else {
            wrong.push(format!("{name}\n{}", first_difference(&expected, &actual)));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_command_rejection_and_refusal_has_a_script() {
    let mut seen = Seen::default();
    for path in scripts() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        script::run(&name, &fs::read_to_string(&path).unwrap(), &mut seen);
    }
    assert_eq!(
        seen.missing(),
        Vec::<String>::new(),
        "no script shows these"
    );
}

fn first_difference(expected: &str, actual: &str) -> String {
    let mut actual_lines = actual.lines();
    for (number, line) in expected.lines().enumerate() {
        let came = actual_lines.next().unwrap_or("(end)");
        if line != came {
            return format!("  line {}\n  says  {line}\n  came  {came}", number + 1);
        }
    }
    format!(
        "  came after its end: {}",
        actual_lines.next().unwrap_or("(an empty line)")
    )
}
