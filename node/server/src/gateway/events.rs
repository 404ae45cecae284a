//! Watching: what happens in the cluster, told in order, from any point that this node still keeps. A reader has a place and nothing else, so
//! a slow one costs no memory; it falls behind what is kept, and is told so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{BoxStream, unfold};
use quorate_core::Realm;
use quorate_core::events::{Kind, Point};
use quorate_core::ids::ClusterName;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Gateway;
use crate::consensus::{Events, Gap, Told};
use crate::operations::event_shown;
use crate::operations::exception::{self, Exception};

/// So often a reader who is told nothing hears where it is: one who wants few events would fall behind what is kept.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a reader asks for.
#[derive(Debug, Clone)]
pub struct WatchAsk {
    /// Where it begins.
    pub from: From,
    /// Events of this cluster only, by name or ARN.
    pub cluster: Option<String>,
    /// Events of this kind only.
    pub kind: Option<Kind>,
    /// Whether it goes on with what comes, rather than end with what is there.
    pub follows: bool,
    /// Until when it waits for the beginning.
    pub deadline: Instant,
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With what comes next.
    Now,
    /// With the oldest event that is kept.
    Kept,
    /// Behind what it has heard.
    Point(Point),
}

/// A reader's place in the stream.
struct Watch {
    events: Events,
    end: watch::Receiver<Point>,
    realm: Arc<Realm>,
    cluster: Option<ClusterName>,
    kind: Option<Kind>,
    /// Behind what it was given.
    at: Point,
    /// Where it ends; `None`: never.
    until: Option<Point>,
    /// What it is given next, and where it is then.
    ahead: (VecDeque<Arc<Told>>, Point),
    is_over: bool,
}

/// What a reader is given.
#[derive(Debug)]
pub enum Seen {
    /// Nothing, so far: it is here, and may go on from here at another node.
    At(Point),
    /// An event.
    Event {
        /// Its place.
        point: Point,
        /// Its kind.
        kind: Kind,
        /// EventBridge's JSON, on one line.
        body: Bytes,
    },
    /// The next events are no longer kept here. It is the last.
    Gap(Exception),
    /// It has all that it asked for. It is the last.
    End(Point),
}

impl Gateway {
    /// Begins to tell what happens: first where that is.
    ///
    /// # Errors
    /// If what lies behind the point is not kept here, or the point is none of this cluster's.
    pub async fn watch(&self, ask: WatchAsk) -> Result<BoxStream<'static, Seen>, Exception> {
        let realm = self.operations.realm();
        let cluster = ask.cluster.map(|text| realm.parse_cluster(&text));
        let cluster = cluster.transpose();
        let cluster = cluster.map_err(|error| Exception::invalid_parameter(error.to_string()))?;
        let events = self.consensus.events().clone();
        let end = events.end();
        let is_ahead = |at| at > *end.borrow();
        if !ask.follows || matches!(ask.from, From::Point(point) if is_ahead(point)) {
            self.barrier(ask.deadline).await?;
        }
        let now = *end.borrow();
        let at = match ask.from {
            From::Now => now,
            From::Kept => events.kept(),
            From::Point(point) if point > now => {
                return Err(Exception::invalid_parameter(format!(
                    "The log of this cluster ends before the point {point}: it is at {now}."
                )));
            }
            From::Point(point) => point,
        };
        events.after(at).map_err(|gap| gone(at, gap))?;
        let watch = Watch {
            events,
            end,
            realm: Arc::clone(realm),
            cluster,
            kind: ask.kind,
            at,
            until: (!ask.follows).then_some(now),
            ahead: (VecDeque::new(), at),
            is_over: false,
        };
        let first = futures::stream::iter([Seen::At(at)]);
        Ok(first.chain(unfold(watch, Watch::told)).boxed())
    }
}

impl Watch {
    async fn told(mut self) -> Option<(Seen, Self)> {
        if self.is_over {
            return None;
        }
        let seen = match timeout(HEARTBEAT, self.next()).await {
            Err(_) => Seen::At(self.at),
            Ok(Some(seen)) => seen,
            Ok(None) => Seen::End(self.at),
        };
        self.is_over = matches!(seen, Seen::Gap(_) | Seen::End(_));
        Some((seen, self))
    }

    /// What comes next, if anything does. Whoever stops waiting loses nothing.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            while let Some(told) = self.ahead.0.pop_front() {
                self.at = told.point;
                if self.is_wanted(&told) {
                    return Some(self.shown(&told));
                }
            }
            self.at = self.at.max(self.ahead.1);
            if self.until.is_some_and(|until| self.at >= until) {
                return None;
            }
            self.end.borrow_and_update();
            match self.events.after(self.at) {
                Err(gap) => return Some(Seen::Gap(gone(self.at, gap))),
                Ok(behind) if behind.next > self.at => {
                    self.ahead = (behind.told.into(), behind.next);
                }
                Ok(_) => {
                    if self.end.changed().await.is_err() {
                        return None;
                    }
                }
            }
        }
    }

    fn is_wanted(&self, told: &Told) -> bool {
        let is_kind = self.kind.is_none_or(|kind| kind == told.event.kind());
        let is_there = |cluster: &ClusterName| cluster == told.event.cluster();
        is_kind && self.cluster.as_ref().is_none_or(is_there)
    }

    fn shown(&self, told: &Told) -> Seen {
        Seen::Event {
            point: told.point,
            kind: told.event.kind(),
            body: event_shown(&self.realm, told.point, &told.event),
        }
    }
}

fn gone(point: Point, gap: Gap) -> Exception {
    let message = format!(
        "Events behind the point {point} are no longer kept here; all behind {} are. Look at the state, and go on from there.",
        gap.kept
    );
    Exception::new(exception::Kind::EventsGone, message)
}
