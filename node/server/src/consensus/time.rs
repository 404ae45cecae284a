//! The cluster's time, which a leader stamps on entries: it never goes back, and it never stands still.
//!
//! The state's time only rises, and wall clocks jump: one that was ahead for a moment would stop the state's time until all others have
//! caught up, and for so long nothing would become due. While the wall is behind, time goes on by the monotonic clock, at half its pace: what is
//! due comes, though later, and the wall catches up.

use std::time::Duration;

use parking_lot::Mutex;
use quorate_core::Millis;
use tokio::time::Instant;

use crate::clock::Clock;

/// How much slower time is while the wall is behind it.
const SLOWER: u32 = 2;

/// A clock that shows `wall`, or what goes on from the time that was `reached`.
pub(super) fn of_cluster(
    wall: Clock,
    reached: impl Fn() -> Millis + Send + Sync + 'static,
) -> Clock {
    let since = Mutex::new((Millis(0), Instant::now()));
    Clock::new(move || {
        let mut since = since.lock();
        let (then, at) = *since;
        let goes_on = then.plus_ms(whole_ms(at.elapsed() / SLOWER));
        let now = wall.wall().max(reached());
        if now > goes_on {
            *since = (now, Instant::now());
        }
        now.max(goes_on)
    })
}

fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::time::advance;

    use super::*;

    /// The cluster's time, with a wall clock and a state's time that can be set.
    fn world() -> (Clock, Arc<AtomicU64>, Arc<AtomicU64>) {
        let (wall, state) = (Arc::new(AtomicU64::new(1_000)), Arc::<AtomicU64>::default());
        let (shows, reached) = (Arc::clone(&wall), Arc::clone(&state));
        let clock = Clock::new(move || Millis(shows.load(Ordering::Relaxed)));
        let time = of_cluster(clock, move || Millis(reached.load(Ordering::Relaxed)));
        (time, wall, state)
    }

    #[tokio::test(start_paused = true)]
    async fn time_is_the_wall_s_as_long_as_that_leads() {
        let (time, wall, _) = world();
        assert_eq!(time.wall(), Millis(1_000));
        wall.store(5_000, Ordering::Relaxed);
        assert_eq!(time.wall(), Millis(5_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_that_jumps_back_slows_time_and_does_not_stop_it() {
        let (time, wall, _) = world();
        wall.store(3_600_000, Ordering::Relaxed);
        assert_eq!(time.wall(), Millis(3_600_000));
        wall.store(1_000, Ordering::Relaxed);
        for _ in 0..1_000 {
            advance(Duration::from_millis(1)).await;
            let _ = time.wall();
        }
        assert_eq!(time.wall(), Millis(3_600_500));
        wall.store(3_700_000, Ordering::Relaxed);
        assert_eq!(time.wall(), Millis(3_700_000));
    }

    #[tokio::test(start_paused = true)]
    async fn time_goes_on_from_what_another_leader_stamped() {
        let (time, _, state) = world();
        state.store(9_000, Ordering::Relaxed);
        assert_eq!(time.wall(), Millis(9_000));
        advance(Duration::from_secs(2)).await;
        assert_eq!(time.wall(), Millis(10_000));
        assert_eq!(time.wall(), Millis(10_000));
    }
}
