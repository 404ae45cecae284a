//! What this node told lately: the events of the entries that it applied itself, so that whoever watches may come late, or come back.
//!
//! Kept in memory on every node; a node that was started anew has what it took from its log. A point is a place in the log, so it means
//! the same on all nodes, whoever leads.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_core::events::{Event, Point};
use tokio::sync::watch;

/// Events that are kept: some minutes of a busy cluster, and mostly a few kilobytes each, of which the state shares the newest.
const KEPT_MAX: usize = 10_000;
/// What a reader is given at once.
const BATCH: usize = 256;

/// An event and its place.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) point: Point,
    pub(crate) event: Event,
}

/// What lies behind a point.
#[derive(Debug, PartialEq)]
pub(crate) struct Behind {
    /// Events, some of them if there are many.
    pub(crate) told: Vec<Arc<Told>>,
    /// Where to go on: behind these, and behind entries that told nothing.
    pub(crate) next: Point,
}

/// Events behind a point are no longer kept here, or never were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// From here on all are kept.
    pub(crate) kept: Point,
}

/// The newest events. Clones are the same.
#[derive(Clone)]
pub(crate) struct Events {
    ring: Arc<Mutex<Ring>>,
    /// The end of what was told.
    end: watch::Sender<Point>,
}

struct Ring {
    told: VecDeque<Arc<Told>>,
    /// All that was told behind it is kept.
    kept: Point,
}

impl Events {
    /// With nothing told, behind the entries up to `index`.
    pub(super) fn behind(index: u64) -> Self {
        let kept = Point::behind(index);
        Self {
            ring: Arc::new(Mutex::new(Ring {
                told: VecDeque::new(),
                kept,
            })),
            end: watch::Sender::new(kept),
        }
    }

    /// Numbers what one entry told.
    pub(super) fn number(index: u64, events: Vec<Event>) -> impl Iterator<Item = Arc<Told>> {
        (1..).zip(events).map(move |(place, event)| {
            let point = Point { index, place };
            Arc::new(Told { point, event })
        })
    }

    /// Tells what entries up to `index` told.
    pub(super) fn tell(&self, told: Vec<Arc<Told>>, index: u64) {
        let mut gone = Vec::new();
        let mut ring = self.ring.lock();
        ring.told.extend(told);
        while ring.told.len() > KEPT_MAX
            && let Some(oldest) = ring.told.pop_front()
        {
            ring.kept = oldest.point;
            gone.push(oldest);
        }
        drop(ring);
        // Freed while nobody waits for the lock.
        drop(gone);
        self.end.send_replace(Point::behind(index));
    }

    /// The state came whole, with the entries up to `index`: what they told is not known here.
    pub(super) fn skip_to(&self, index: u64) {
        let mut ring = self.ring.lock();
        ring.told.clear();
        ring.kept = Point::behind(index);
        drop(ring);
        self.end.send_replace(Point::behind(index));
    }

    /// The end of what was told, to wait for more.
    pub(crate) fn end(&self) -> watch::Receiver<Point> {
        self.end.subscribe()
    }

    /// Where the oldest that is kept begins.
    pub(crate) fn kept(&self) -> Point {
        self.ring.lock().kept
    }

    /// What was told behind `point`.
    pub(crate) fn after(&self, point: Point) -> Result<Behind, Gap> {
        // Before the ring: what is told meanwhile is found the next time.
        let end = *self.end.borrow();
        let ring = self.ring.lock();
        if point < ring.kept {
            return Err(Gap { kept: ring.kept });
        }
        let first = ring.told.partition_point(|told| told.point <= point);
        let told: Vec<Arc<Told>> = ring.told.range(first..).take(BATCH).cloned().collect();
        let next = match told.last() {
            Some(last) if told.len() == BATCH => last.point,
            Some(last) => end.max(last.point),
            None => end.max(point),
        };
        Ok(Behind { told, next })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use quorate_core::Millis;
    use quorate_core::events::{Action, ServiceAction, What};
    use quorate_core::ids::ServiceKey;

    use super::*;

    fn events(count: usize) -> Vec<Event> {
        let action = ServiceAction {
            service: ServiceKey {
                cluster: "c".parse().unwrap(),
                name: "s".parse().unwrap(),
            },
            action: Action::SteadyState,
            set: None,
            reason: String::new(),
        };
        let event = Event {
            at: Millis(1),
            what: What::Service(action),
        };
        vec![event; count]
    }

    fn tell(kept: &Events, index: u64, count: usize) {
        kept.tell(Events::number(index, events(count)).collect(), index);
    }

    /// All places behind a point, batch by batch, and where to go on.
    fn read(kept: &Events, mut point: Point) -> (Vec<Point>, Point) {
        let mut places = Vec::new();
        loop {
            let behind = kept.after(point).unwrap();
            places.extend(behind.told.iter().map(|told| told.point));
            if behind.next == point {
                return (places, point);
            }
            point = behind.next;
        }
    }

    #[test]
    fn a_reader_goes_on_where_it_was() {
        let kept = Events::behind(4);
        tell(&kept, 5, 3);
        tell(&kept, 6, 0);
        tell(&kept, 7, BATCH + 1);
        let (whole, end) = read(&kept, Point::behind(4));
        assert_eq!((whole.len(), end), (BATCH + 4, Point::behind(7)));
        for (at, point) in whole.iter().enumerate() {
            assert_eq!(read(&kept, *point).0, whole[at + 1..]);
        }
    }

    #[test]
    fn what_is_no_longer_kept_is_refused() {
        let kept = Events::behind(0);
        tell(&kept, 1, 2);
        tell(&kept, 2, KEPT_MAX - 1);
        let first = Point { index: 1, place: 1 };
        assert_eq!(kept.after(Point::behind(0)), Err(Gap { kept: first }));
        assert_eq!(read(&kept, first).0.len(), KEPT_MAX);
        kept.skip_to(9);
        assert_eq!(
            kept.after(Point { index: 9, place: 1 }),
            Err(Gap {
                kept: Point::behind(9)
            })
        );
        assert_eq!(read(&kept, Point::behind(9)).0, []);
    }

    #[test]
    fn a_reader_ahead_of_this_node_waits() {
        let kept = Events::behind(0);
        let ahead = Point { index: 5, place: 2 };
        assert_eq!(kept.after(ahead).unwrap().next, ahead);
        tell(&kept, 5, 3);
        assert_eq!(read(&kept, ahead).0, [Point { index: 5, place: 3 }]);
    }
}
