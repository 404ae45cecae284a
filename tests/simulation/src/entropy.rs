//! Every random number of a run follows from its seed. The standard library, tokio, openraft and the product draw from the system by
//! one function of C, `getrandom`; this file takes its place in the program, so that no product code has to know of the simulation.
//!
//! A thread that has called [`begin`] gets numbers that follow from the seed; every other thread gets the system's.

#![expect(
    unsafe_code,
    reason = "a function of C is replaced by name, and it is handed a pointer: neither can be said in safe Rust"
)]

use std::cell::Cell;

use rustix::rand::GetRandomFlags;

thread_local! {
    /// Where this thread's sequence stands; nothing outside a run.
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on this thread draws what follows from `seed`. Once a thread, before anything is drawn: the standard library keeps the
/// first number it gets for all its hash maps.
pub fn begin(seed: u64) {
    STATE.set(Some(seed));
}

/// SplitMix64: the next number of this thread's sequence.
fn next(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state, mixed ^ (mixed >> 31))
}

fn fill(bytes: &mut [u8], mut state: u64) -> u64 {
    for chunk in bytes.chunks_mut(8) {
        let number;
        (state, number) = next(state);
        chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
    }
    state
}

/// Stands in for the C library's function of this name, for the whole program.
///
/// # Safety
/// As for the original: `buffer` points at `length` bytes that may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, flags: u32) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller promises it, as it has to promise the C library.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer, length) };
    if let Some(state) = STATE.get() {
        STATE.set(Some(fill(bytes, state)));
        return isize::try_from(length).unwrap_or(isize::MAX);
    }
    // rustix asks the kernel itself and not the C library, so that this does not come back here.
    match rustix::rand::getrandom(bytes, GetRandomFlags::from_bits_retain(flags)) {
        Ok(filled) => isize::try_from(filled).unwrap_or(isize::MAX),
        // Callers then look at `errno`, which is not ours to set; all of them fall back to the system's other sources.
        Err(_) => -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, RandomState};

    fn drawn(seed: Option<u64>) -> (u64, u128) {
        let draw = move || {
            if let Some(seed) = seed {
                begin(seed);
            }
            (
                RandomState::new().hash_one(7),
                quorate_server::entropy::number(),
            )
        };
        std::thread::spawn(draw)
            .join()
            .expect("drawing does not panic")
    }

    #[test]
    fn a_seed_decides_all_that_is_drawn_and_only_on_its_thread() {
        assert_eq!(drawn(Some(1)), drawn(Some(1)));
        assert_ne!(drawn(Some(1)), drawn(Some(2)));
        assert_ne!(drawn(Some(1)).0, drawn(Some(2)).0);
        assert_ne!(drawn(None), drawn(None));
    }
}
