//! Damage that no crash makes: flipped bits and cut files. The log must come back whole or not at all.
//!
//! `QUORATE_STORAGE_DAMAGES` sets how often each engine is damaged in each way.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::super::types::{Entry, Vote};
use super::{ENGINES, EngineKind, append, config, copy_dir, entry, env_number, open, reopen};

/// Each engine in each way, unless told otherwise.
const DAMAGES: u64 = 10;
const ENTRIES: u64 = 120;

fn entries() -> Vec<Entry> {
    (0..ENTRIES)
        .map(|index| entry(2, index, usize::try_from(index * 37 % 4_000).unwrap()))
        .collect()
}

/// A node that was stopped in order, so that its guard knows where the log ended.
async fn sound_node(dir: &Path, engine: EngineKind) {
    let mut store = open(&config(dir, engine)).unwrap();
    store.save_vote(&Vote::new_committed(2, 1)).await.unwrap();
    for group in entries().chunks(7) {
        append(&mut store, group.to_vec()).await.unwrap();
    }
    store.mark_initialized().await.unwrap();
    store.stop().await.unwrap();
}

/// The file that holds most of the log.
fn largest_file(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file());
    files
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

fn flip_a_bit(file: &Path, rng: &mut StdRng) -> String {
    let written = written_bytes(file);
    let at = rng.random_range(0..written);
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << rng.random_range(0..8);
    file.write_all_at(&byte, at).unwrap();
    format!("a bit flipped at byte {at} of {written}")
}

fn cut_short(file: &Path, rng: &mut StdRng) -> String {
    let written = written_bytes(file);
    let length = rng.random_range(0..written);
    fs::OpenOptions::new()
        .write(true)
        .open(file)
        .unwrap()
        .set_len(length)
        .unwrap();
    format!("cut to {length} of {written} bytes")
}

/// The length without the zeros with which an engine may have filled the file.
fn written_bytes(file: &Path) -> u64 {
    let bytes = fs::read(file).unwrap();
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(1, |last| last as u64 + 1)
}

/// Whether the damage was noticed. If not, it must have done no harm.
async fn is_refused(dir: &Path, engine: EngineKind, damage: &str) -> bool {
    let Ok(mut store) = reopen(dir, engine) else {
        return true;
    };
    let at = format!("{}: {damage}", engine.name());
    assert_eq!(
        store.read_vote().await.unwrap(),
        Some(Vote::new_committed(2, 1)),
        "{at}"
    );
    assert_eq!(
        store.try_get_log_entries(..).await.unwrap(),
        entries(),
        "{at}"
    );
    store.stop().await.unwrap();
    false
}

#[tokio::test]
async fn damage_is_refused_or_harmless() {
    let (damages, seed) = (
        env_number("QUORATE_STORAGE_DAMAGES", DAMAGES),
        env_number("QUORATE_STORAGE_SEED", 1),
    );
    let mut rng = StdRng::seed_from_u64(seed);
    for engine in ENGINES {
        let home = tempfile::tempdir().unwrap();
        let sound = home.path().join("sound");
        sound_node(&sound, engine).await;
        let copy = home.path().join("copy");
        copy_dir(&sound, &copy);
        assert!(
            !is_refused(&copy, engine, "none").await,
            "a sound copy is not refused"
        );
        for (way, harm) in [
            (
                "flipped bits",
                flip_a_bit as fn(&Path, &mut StdRng) -> String,
            ),
            ("cut files", cut_short),
        ] {
            let mut refused = 0;
            for number in 0..damages {
                let dir = home.path().join(format!("{way} {number}"));
                copy_dir(&sound, &dir);
                let damage = harm(&largest_file(&dir.join("log")), &mut rng);
                refused += u64::from(is_refused(&dir, engine, &damage).await);
                fs::remove_dir_all(&dir).unwrap();
            }
            println!(
                "{}: {way}: {refused} of {damages} refused, the others harmless, seed {seed}",
                engine.name()
            );
        }
    }
}
