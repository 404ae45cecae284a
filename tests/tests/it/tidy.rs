//! The law that the compiler does not know: who may import whom, who may name which library, how long a file may be.
//! It reads the sources as text; it builds and starts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file is one room; a longer one is two ideas.
const LINES_MAX: usize = 600;

/// Which crates of ours each crate may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("quorate-proto", &[]),
    ("quorate-bugs", &[]),
    ("quorate-core", &["quorate-bugs"]),
    ("quorate-client", &[]),
    ("quorate-agent", &["quorate-bugs", "quorate-proto"]),
    (
        "quorate-server",
        &["quorate-bugs", "quorate-core", "quorate-proto"],
    ),
    (
        "quorate",
        &["quorate-server", "quorate-agent", "quorate-client"],
    ),
    ("quorate-chaos", &["quorate-client", "quorate-core"]),
    (
        "quorate-tests",
        &[
            "quorate-proto",
            "quorate-core",
            "quorate-server",
            "quorate-agent",
            "quorate-client",
            "quorate-chaos",
        ],
    ),
    ("quorate-placement", &["quorate-core"]),
    ("quorate-rust-sdk", &[]),
    (
        "quorate-simulation",
        &[
            "quorate-bugs",
            "quorate-proto",
            "quorate-core",
            "quorate-server",
            "quorate-agent",
        ],
    ),
];

/// Which rooms of the server each room may name. `lib`, `node` and `rooms` compose them; what is not listed is named by any and
/// names none of these.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "node",
        &[
            "http",
            "gateway",
            "operations",
            "rooms",
            "consensus",
            "config",
            "listeners",
        ],
    ),
    (
        "rooms",
        &["gateway", "steward", "planner", "dispatch", "consensus"],
    ),
    ("listeners", &["config"]),
    ("config", &["consensus"]),
    ("http", &["gateway", "operations", "config"]),
    ("gateway", &["operations", "planner", "consensus"]),
    ("operations", &["planner", "consensus"]),
    ("steward", &["planner", "consensus"]),
    ("planner", &["consensus"]),
    ("dispatch", &["consensus"]),
    ("consensus", &[]),
];

/// Libraries that only some places may name, so that changing one of them stays a change in one room.
const LIBRARIES: &[(&str, &[&str])] = &[
    (
        "openraft",
        &["node/server/src/consensus/", "node/server/tests/"],
    ),
    ("sled", &["node/server/src/consensus/"]),
    (
        "axum",
        &["node/server/src/http/", "node/quorate/src/sample_app"],
    ),
    (
        "hyper",
        &[
            "node/server/src/http/",
            "node/client/",
            "node/quorate/src/sample_app",
        ],
    ),
    (
        "bollard",
        &[
            "node/agent/src/runtime/docker",
            "tests/src/bench/containers/",
        ],
    ),
];

/// The workspace denies unsafe code; this file lifts it for itself and says why.
const UNSAFE_FILE: &str = "tests/simulation/src/entropy.rs";

/// What a simulation stands in for, and the only places of the server that reach past it (tests may, wherever they are).
const SEAMS: &[(&str, &[&str])] = &[
    (
        "std::fs",
        &[
            "files.rs",
            // sled keeps files of its own, and is not simulated.
            "consensus/engine/sled_log.rs",
            // The process, not the node: its data directory before anything starts, and what the system says of it.
            "listeners.rs",
            "telemetry.rs",
        ],
    ),
    ("tokio::fs", &[]),
    ("SystemTime", &["clock.rs"]),
    ("spawn_blocking", &["consensus/config.rs"]),
    (
        "std::thread",
        &[
            "consensus/log_store/open.rs",
            "consensus/engine/sled_log.rs",
        ],
    ),
];

#[test]
fn crates_depend_only_downwards() {
    let allowed: BTreeMap<_, BTreeSet<&str>> = CRATES
        .iter()
        .map(|(name, may)| (*name, may.iter().copied().collect()))
        .collect();
    let mut broken = Vec::new();
    for package in metadata()["packages"]
        .as_array()
        .expect("cargo metadata lists packages")
    {
        let name = package["name"].as_str().expect("a package has a name");
        let Some(may) = allowed.get(name) else {
            broken.push(format!(
                "{name} is not in the law: add it to CRATES and to the design"
            ));
            continue;
        };
        for dependency in package["dependencies"]
            .as_array()
            .expect("a package has dependencies")
        {
            let needs = dependency["name"]
                .as_str()
                .expect("a dependency has a name");
            if needs.starts_with("quorate") && !may.contains(needs) {
                broken.push(format!("{name} depends on {needs}"));
            }
        }
    }
    assert_lawful(&broken);
}

#[test]
fn rooms_of_the_server_import_only_downwards() {
    let names: Vec<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let broken = each_line("node/server/src/", |path, line| {
        let room = path
            .trim_start_matches("node/server/src/")
            .split(['/', '.'])
            .next()
            .unwrap_or_default();
        let may: &[&str] = match ROOMS.iter().find(|(name, _)| *name == room) {
            Some((_, may)) => may,
            None if room == "lib" => return None,
            None => &[],
        };
        let named = names.iter().find(|name| {
            **name != room && !may.contains(name) && line.contains(&format!("crate::{name}"))
        })?;
        Some(format!("{room} names {named}"))
    });
    assert_lawful(&broken);
}

#[test]
fn libraries_are_named_only_in_their_rooms() {
    let broken = each_line("", |path, line| {
        let (library, _) = LIBRARIES.iter().find(|(library, places)| {
            names_crate(line, library) && !places.iter().any(|place| path.starts_with(place))
        })?;
        Some(format!("names {library}"))
    });
    assert_lawful(&broken);
}

#[test]
fn only_the_seams_of_the_server_reach_the_machine() {
    const SERVER: &str = "node/server/src/";
    let broken = each_line(SERVER, |path, line| {
        let room = path.trim_start_matches(SERVER);
        let (seam, _) = SEAMS
            .iter()
            .find(|(seam, places)| line.contains(seam) && !places.contains(&room))?;
        let is_test = room.contains("tests/") || room.ends_with("tests.rs");
        (!is_test).then(|| format!("names {seam}"))
    });
    assert_lawful(&broken);
}

#[test]
fn one_file_of_the_agent_names_the_docker_client() {
    let mut files: Vec<String> = Vec::new();
    each_line("node/agent/src/", |path, line| {
        if names_crate(line, "bollard") && files.last().is_none_or(|last| last != path) {
            files.push(path.to_owned());
        }
        None
    });
    assert!(files.len() <= 1, "bollard is named in {files:?}");
}

#[test]
fn one_file_may_be_unsafe() {
    // Built up, so that this line does not find itself.
    let lint = ["unsafe", "_code"].concat();
    let broken = each_line("", |path, line| {
        (line.contains(&lint) && path != UNSAFE_FILE).then(|| format!("names {lint}"))
    });
    assert_lawful(&broken);
}

#[test]
fn every_source_file_is_one_documented_room() {
    let mut broken = Vec::new();
    for path in sources() {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > LINES_MAX {
            broken.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
        }
        if !text.starts_with("//!") {
            broken.push(format!(
                "{path}: does not begin with //! and what lives here"
            ));
        }
    }
    assert_lawful(&broken);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    // Put together here, so that this file does not name them either.
    let places: Vec<String> = ["work", "root", "tmp/q", "tmp/t"]
        .iter()
        .map(|place| format!("/{place}/"))
        .collect();
    let mut broken = Vec::new();
    for path in tracked() {
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                broken.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_lawful(&broken);
}

/// Whether a line of code uses the crate by its path (`name::...`, `use name;`, `extern crate name`).
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let is_word = before
            .is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':' || c == '"' || c == '/'));
        is_word
            && (after.starts_with("::")
                || (line.trim_start().starts_with("use ") && after.starts_with([';', ' '])))
    })
}

/// What `judge` says about each line of code (comments are left out) of the sources under `folder`, with its place.
fn each_line(folder: &str, mut judge: impl FnMut(&str, &str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for path in sources()
        .into_iter()
        .filter(|path| path.starts_with(folder))
    {
        for (number, line) in read(&path).lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            if let Some(wrong) = judge(&path, line) {
                found.push(format!("{path}:{}: {wrong}", number + 1));
            }
        }
    }
    found
}

fn assert_lawful(broken: &[String]) {
    assert!(
        broken.is_empty(),
        "the law (node/DESIGN.md) is broken:\n  {}",
        broken.join("\n  ")
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
        .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sources() -> Vec<String> {
    tracked()
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .collect()
}

/// Every file that git tracks or would track, as a path from the root of the workspace.
fn tracked() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root());
    let paths = output(&mut git);
    paths
        .lines()
        .filter(|path| root().join(path).exists())
        .map(str::to_owned)
        .collect()
}

fn metadata() -> serde_json::Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root());
    serde_json::from_str(&output(&mut cargo)).expect("cargo metadata prints JSON")
}

fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("paths and metadata are UTF-8")
}
