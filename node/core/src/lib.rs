//! The decisions of Quorate, as plain functions over values: no clock, no entropy, no I/O, no await, no hash order.
//!
//! [`apply`] is the replicated state machine, [`place`] the placement engine, [`duties`] what a leader owes the state.
//! The shell (`quorate-server`) brings time, ids and events in, and carries decisions out.

pub mod arn;
pub mod codec;
pub mod command;
pub mod documents;
pub mod duties;
pub mod events;
pub mod explain;
pub mod forecast;
pub mod ids;
pub mod mint;
pub mod placement;
pub mod snapshot;
pub mod state;
pub mod time;

mod apply;

pub use apply::apply;
pub use arn::Realm;
pub use command::{Applied, Change, Command, Entry, Item, Outcome, Rejection, Reply};
pub use duties::{Heard, Policy, duties};
pub use explain::Explained;
pub use forecast::{Forecast, forecast};
pub use mint::Mint;
pub use placement::{Plan, Problem, place};
pub use state::State;
pub use time::Millis;
