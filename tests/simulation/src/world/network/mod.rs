//! The network between all places: who can reach whom, how long a message takes, and what gets lost. [`calls`] carries single
//! questions, [`streams`] long conversations; both decide here.
//!
//! A message that finds its way cut is lost if it belongs to a single call, and waits for the way to open if it belongs to a stream, as
//! TCP sends again; a stream that waits for too long breaks, as a connection does whose probes stay unanswered.

mod calls;
mod clients;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Status, TimeoutExpired};
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use super::{Life, Place};
use crate::trace::Trace;

pub use clients::Reached;

/// Carries calls to one address, in the form in which the product's clients take it.
pub type Wire = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// After a cut, this long until what TCP kept back is sent again, at most.
const SENT_AGAIN: Duration = Duration::from_millis(400);
/// How long a connection between two places goes unprobed and unanswered before either side gives it up.
const PROBES_BETWEEN_NODES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(4));
const PROBES_OF_AGENTS: (Duration, Duration) =
    (Duration::from_millis(1250), Duration::from_millis(1750));

/// Pace at which what is left of a dead process may try again.
const REMAINS_TRY_AGAIN: Duration = Duration::from_secs(1);

/// How the network is when nothing is broken, and how often something is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Weather {
    /// The shortest and the longest time a message takes, in microseconds.
    pub delay_us: (u64, u64),
    /// Of a thousand messages, so many take up to `late_ms`.
    pub late_permille: u32,
    /// How long a late message takes at most.
    pub late_ms: u64,
    /// Of a thousand single calls, so many get lost on their way, and as many answers.
    pub lost_permille: u32,
    /// Of a thousand single calls, so many arrive twice.
    pub twice_permille: u32,
}

impl Weather {
    /// A quiet local network.
    #[must_use]
    pub fn fair() -> Self {
        Self {
            delay_us: (100, 1_000),
            late_permille: 0,
            late_ms: 0,
            lost_permille: 0,
            twice_permille: 0,
        }
    }
}

/// The network. Clones are the same network.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Mutex<Inner>>,
    /// Changes whenever a way opens or closes.
    changed: watch::Sender<u64>,
    trace: Trace,
}

struct Inner {
    rng: SmallRng,
    weather: Weather,
    /// Ways that are cut, and by how many faults.
    cuts: BTreeMap<(Place, Place), u32>,
    /// Ways that take longer, and by how much.
    slow: BTreeMap<(Place, Place), Duration>,
    served: BTreeMap<String, Served>,
}

/// What answers at an address.
#[derive(Clone)]
struct Served {
    life: Life,
    routes: Routes,
}

/// How a single message fared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrived,
    Lost,
}

impl Network {
    /// A network with this weather.
    #[must_use]
    pub fn new(seed: u64, weather: Weather, trace: Trace) -> Self {
        let inner = Inner {
            rng: SmallRng::seed_from_u64(seed),
            weather,
            cuts: BTreeMap::new(),
            slow: BTreeMap::new(),
            served: BTreeMap::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            changed: watch::Sender::new(0),
            trace,
        }
    }

    /// From now on `routes` answer at `address`, until `life` ends.
    pub fn serve(&self, address: &str, life: &Life, routes: Routes) {
        let served = Served {
            life: life.clone(),
            routes,
        };
        self.inner.lock().served.insert(address.to_owned(), served);
    }

    /// Nothing answers at `address` any more, if it was this life that did.
    pub fn vanish(&self, address: &str, life: &Life) {
        let mut inner = self.inner.lock();
        if inner
            .served
            .get(address)
            .is_some_and(|served| served.life.number == life.number)
        {
            inner.served.remove(address);
        }
    }

    /// The way from a process to whatever answers at `address`.
    #[must_use]
    pub fn wire(&self, from: &Life, address: &str) -> Wire {
        let (network, from, address) = (self.clone(), from.clone(), address.to_owned());
        BoxCloneSyncService::new(service_fn(move |request| {
            network
                .clone()
                .carry(from.clone(), address.clone(), request)
        }))
    }

    /// The same for those who connect before they speak: fails if nothing answers there, and does not end while the way is cut.
    ///
    /// # Errors
    /// If nothing answers there.
    pub async fn connect(&self, from: &Life, address: &str) -> Result<Wire, Status> {
        let (here, there) = (from.place, Self::place(address)?);
        sleep(self.delay(here, there)).await;
        self.opened(here, there).await;
        let is_there = self.server(address).is_some();
        sleep(self.delay(there, here)).await;
        self.opened(there, here).await;
        if is_there {
            Ok(self.wire(from, address))
        } else {
            Err(Status::unavailable("connection refused"))
        }
    }

    /// Changes the weather.
    pub fn set_weather(&self, weather: Weather) {
        self.inner.lock().weather = weather;
    }

    /// Cuts a way in one direction, once more if it is cut already.
    pub fn cut(&self, from: Place, to: Place) {
        *self.inner.lock().cuts.entry((from, to)).or_default() += 1;
        self.changed.send_modify(|count| *count += 1);
    }

    /// Takes one cut of a way back.
    pub fn mend(&self, from: Place, to: Place) {
        {
            let mut inner = self.inner.lock();
            if let Some(cuts) = inner.cuts.get_mut(&(from, to)) {
                *cuts -= 1;
                if *cuts == 0 {
                    inner.cuts.remove(&(from, to));
                }
            }
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Makes a way in one direction slower by this much; by nothing makes it as it was.
    pub fn slow(&self, from: Place, to: Place, by: Duration) {
        let mut inner = self.inner.lock();
        if by.is_zero() {
            inner.slow.remove(&(from, to));
        } else {
            inner.slow.insert((from, to), by);
        }
    }

    async fn carry(
        self,
        from: Life,
        address: String,
        request: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        let patience = calls::patience(request.headers());
        let method = calls::method(&request);
        let carried = async {
            if streams::is_stream(&method) {
                self.converse(&from, &address, &method, request).await
            } else {
                self.ask(&from, &address, &method, request).await
            }
        };
        let answered = async {
            match patience {
                Some(patience) => timeout(patience, carried)
                    .await
                    .unwrap_or_else(|_| Err(Status::cancelled(TimeoutExpired(()).to_string()))),
                None => carried.await,
            }
        };
        tokio::select! {
            biased;
            () = from.over() => {
                // Nobody hears this any more. It takes a while, so that remains of a process that try again do so at no great pace.
                sleep(REMAINS_TRY_AGAIN).await;
                Err(Status::unavailable("this process is no more"))
            }
            answer = answered => answer,
        }
    }

    /// What answers at an address, if anything does.
    fn server(&self, address: &str) -> Option<Served> {
        let served = self.inner.lock().served.get(address).cloned();
        served.filter(|served| !served.life.is_over())
    }

    /// Where an address is, which does not depend on whether anything answers there: `n2:6571` is at node 2.
    fn place(address: &str) -> Result<Place, Status> {
        let node = address
            .strip_prefix('n')
            .and_then(|rest| rest.split(':').next())
            .and_then(|digits| digits.parse().ok());
        node.map(Place::Node)
            .ok_or_else(|| Status::unavailable(format!("{address:?} is no place")))
    }

    fn is_open(&self, from: Place, to: Place) -> bool {
        !self.inner.lock().cuts.contains_key(&(from, to))
    }

    /// Waits until a way is open.
    async fn opened(&self, from: Place, to: Place) {
        let mut changed = self.changed.subscribe();
        while !self.is_open(from, to) {
            // The sender lives as long as the network.
            let _ = changed.changed().await;
        }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut SmallRng, &Weather) -> T) -> T {
        let Inner { rng, weather, .. } = &mut *self.inner.lock();
        draw(rng, weather)
    }

    /// How long the next message takes.
    fn delay(&self, from: Place, to: Place) -> Duration {
        let inner = &mut *self.inner.lock();
        let (shortest, longest) = inner.weather.delay_us;
        let mut delay = Duration::from_micros(inner.rng.random_range(shortest..=longest));
        if inner.rng.random_range(0..1000) < inner.weather.late_permille {
            delay += Duration::from_millis(inner.rng.random_range(0..=inner.weather.late_ms));
        }
        delay + inner.slow.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Sends one message of a single call on its way and says how it fared when it should have arrived.
    async fn travel(&self, from: Place, to: Place) -> Fate {
        let is_lost = self.draw(|rng, weather| rng.random_range(0..1000) < weather.lost_permille);
        sleep(self.delay(from, to)).await;
        if is_lost || !self.is_open(from, to) {
            Fate::Lost
        } else {
            Fate::Arrived
        }
    }

    /// How long it takes until one side gives up a connection on which nothing comes through.
    fn silence(&self, one: Place, other: Place) -> Duration {
        let is_agent = matches!(one, Place::Host(_)) || matches!(other, Place::Host(_));
        let (shortest, longest) = if is_agent {
            PROBES_OF_AGENTS
        } else {
            PROBES_BETWEEN_NODES
        };
        self.draw(|rng, _| rng.random_range(shortest..=longest))
    }

    /// The end of a call of which nothing was heard any more.
    async fn given_up<T>(&self, one: Place, other: Place) -> Result<T, Status> {
        sleep(self.silence(one, other)).await;
        Err(Status::unavailable("the connection went silent"))
    }
}
