//! kill -9, for real: a child process writes and says over a pipe what is durable, is killed at any moment (also while it opens
//! the log), and whatever it said must be there when the log is opened again.
//!
//! `QUORATE_STORAGE_KILLS` sets how many kills each engine gets, `QUORATE_STORAGE_SEED` repeats a run.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use openraft::RaftLogReader;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::super::engine::COMMAND_BYTES_MAX;
use super::super::super::types::{Entry, Types, Vote};
use super::{EngineKind, LogStore, append, entry, env_number, reopen};

const DIR: &str = "QUORATE_STORAGE_CHILD_DIR";
const ENGINE: &str = "QUORATE_STORAGE_CHILD_ENGINE";
const SEED: &str = "QUORATE_STORAGE_SEED";
/// Kills per engine unless told otherwise: enough to hit opening, flushing and purging, and over in seconds.
const KILLS: u64 = 12;
/// Entries that the child keeps when it purges.
const KEPT: u64 = 200;

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_on_sled() {
    kill_often(EngineKind::Sled);
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9_on_segments() {
    kill_often(EngineKind::Segments);
}

/// What the child said is durable.
#[derive(Default)]
struct Said {
    /// Term by index.
    entries: BTreeMap<u64, u64>,
    vote: u64,
    lines: u64,
}

fn kill_often(engine: EngineKind) {
    let dir = tempfile::tempdir().unwrap();
    let (kills, seed) = (
        env_number("QUORATE_STORAGE_KILLS", KILLS),
        env_number(SEED, 1),
    );
    let mut rng = StdRng::seed_from_u64(seed);
    let mut said = Said::default();
    for kill in 0..kills {
        let mut child = start_child(dir.path(), engine, seed + kill);
        let out = BufReader::new(child.stdout.take().unwrap());
        if rng.random_bool(0.25) {
            // Early, often while it still opens the log.
            let wait = Duration::from_millis(rng.random_range(0..80));
            let killer = thread::spawn(move || {
                thread::sleep(wait);
                kill_now(&mut child);
            });
            said.hear(out, u64::MAX, |_| {});
            killer.join().unwrap();
        } else {
            let lines = rng.random_range(1..60);
            said.hear(out, lines, |()| kill_now(&mut child));
        }
        check(dir.path(), engine, &said, kill, seed);
    }
    println!(
        "{}: {kills} kills, {} lines heard, seed {seed}: nothing lost",
        engine.name(),
        said.lines
    );
}

fn start_child(dir: &Path, engine: EngineKind, seed: u64) -> Child {
    let name = concat!(module_path!(), "::child");
    let name = name.split_once("::").unwrap().1;
    Command::new(std::env::current_exe().unwrap())
        .args([
            name,
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR, dir)
        .env(ENGINE, engine.name())
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill_now(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

impl Said {
    /// Takes in what the child says until it is dead, and has it killed after some lines.
    fn hear(&mut self, mut out: impl BufRead, kill_after: u64, mut kill: impl FnMut(())) {
        let mut line = String::new();
        let mut heard = 0;
        while out.read_line(&mut line).unwrap() > 0 {
            // The last line may be cut by the kill; what is not whole was not said.
            if let Some(words) = line
                .strip_suffix('\n')
                .and_then(|line| line.strip_prefix('@'))
            {
                assert!(
                    !words.starts_with("failed"),
                    "the child could not work: {words}"
                );
                self.note(words);
                heard += 1;
                if heard == kill_after {
                    kill(());
                }
            }
            line.clear();
        }
        assert!(
            heard >= kill_after || kill_after == u64::MAX,
            "the child ended by itself"
        );
        self.lines += heard;
    }

    fn note(&mut self, words: &str) {
        let mut words = words.split(' ');
        let what = words.next().unwrap();
        let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
        match (what, numbers.as_slice()) {
            ("appended", [term, first, last]) => self
                .entries
                .extend((*first..=*last).map(|index| (index, *term))),
            ("voted", [term]) => self.vote = *term,
            // Said before it is done: from now on these may be there or not.
            ("truncates", [from]) => drop(self.entries.split_off(from)),
            ("purges", [upto]) => self.entries = self.entries.split_off(&(upto + 1)),
            other => panic!("the child said {other:?}"),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn check(dir: &Path, engine: EngineKind, said: &Said, kill: u64, seed: u64) {
    let at = format!("{} after kill {kill} of seed {seed}", engine.name());
    let mut store = reopen(dir, engine).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    let vote = store
        .read_vote()
        .await
        .unwrap()
        .map_or(0, |vote| vote.leader_id.term);
    assert!(
        vote >= said.vote,
        "{at}: voted in {}, found {vote}",
        said.vote
    );
    let entries = store.try_get_log_entries(..).await.unwrap();
    for (found, after) in entries.iter().zip(&entries[entries.len().min(1)..]) {
        assert_eq!(found.log_id.index + 1, after.log_id.index, "{at}: a hole");
    }
    let found: BTreeMap<u64, &Entry> = entries
        .iter()
        .map(|entry| (entry.log_id.index, entry))
        .collect();
    for (index, term) in &said.entries {
        assert_eq!(
            found.get(index),
            Some(&&sized_entry(*term, *index)),
            "{at}: entry {index}"
        );
    }
    store.stop().await.unwrap();
}

/// An entry whose size follows from its position, so that whoever knows the position knows the bytes.
fn sized_entry(term: u64, index: u64) -> Entry {
    let bytes = match (term * 31 + index) % 100 {
        0 => COMMAND_BYTES_MAX,
        1..=9 => 70_000,
        10..=49 => 20_000,
        rest => usize::try_from(rest).unwrap(),
    };
    entry(term, index, bytes)
}

fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "@{words}").unwrap();
    out.flush().unwrap();
}

/// Not a test by itself: what the tests above start and kill. It works until it is killed.
#[test]
#[ignore = "started and killed by the kill tests"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let engine: EngineKind = std::env::var(ENGINE).unwrap().parse().unwrap();
    println!();
    match reopen(Path::new(&dir), engine) {
        Ok(store) => work(store, StdRng::seed_from_u64(env_number(SEED, 1))),
        Err(error) => say(&format!("failed {error:?}")),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn work(mut store: LogStore, mut rng: StdRng) {
    let mut term = store
        .read_vote()
        .await
        .unwrap()
        .map_or(0, |vote| vote.leader_id.term);
    loop {
        let state = store.get_log_state().await.unwrap();
        let last = state.last_log_id.map_or(0, |last| last.index);
        let first = state
            .last_purged_log_id
            .map_or(0, |purged| purged.index + 1);
        match rng.random_range(0..20) {
            0 => {
                term += 1;
                store.save_vote(&Vote::new(term, 1)).await.unwrap();
                say(&format!("voted {term}"));
            }
            1 if last > first + 30 => {
                let keep = last - rng.random_range(0..20);
                let kept = store.try_get_log_entries(keep..=keep).await.unwrap()[0].log_id;
                // Only a newer leader overrules entries.
                term += 1;
                store.save_vote(&Vote::new(term, 1)).await.unwrap();
                say(&format!("voted {term}"));
                say(&format!("truncates {}", keep + 1));
                store.truncate_after(Some(kept)).await.unwrap();
            }
            2 if last > first + KEPT => {
                let upto = last - KEPT;
                let upto = store.try_get_log_entries(upto..=upto).await.unwrap()[0].log_id;
                say(&format!("purges {}", upto.index));
                store.save_committed(Some(upto)).await.unwrap();
                store.purge(upto).await.unwrap();
            }
            3 => store
                .catalogue_put("snapshot", Some(last.to_string().into()))
                .await
                .unwrap(),
            _ => grow(&mut store, &mut rng, term, last + 1).await,
        }
    }
}

/// Appends several groups at once and waits for the last of them.
async fn grow(store: &mut LogStore, rng: &mut StdRng, term: u64, first: u64) {
    let mut next = first;
    for _ in 0..rng.random_range(0..4) {
        let count = rng.random_range(1..8);
        let entries = (next..next + count).map(|index| sized_entry(term, index));
        let (done, _) = Types::oneshot();
        store
            .append(entries.collect::<Vec<_>>(), IOFlushed::signal(done))
            .await
            .unwrap();
        next += count;
    }
    append(store, [sized_entry(term, next)]).await.unwrap();
    say(&format!("appended {term} {first} {next}"));
}
