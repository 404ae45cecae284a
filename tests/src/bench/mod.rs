//! Benchmarks beside a peer: the same load on both in one run, in turns, and the median of the pairs' ratios. Absolute
//! figures are of the machine and the minute; only the ratios mean something.

pub mod containers;
mod disk;
mod etcd;
pub mod failover;
mod load;
mod report;
pub mod steady;
mod target;

use std::path::PathBuf;

/// What every benchmark is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fewer and shorter rounds: to see that it runs, not to quote.
    pub quick: bool,
    /// Print JSON in place of tables.
    pub json: bool,
    /// How many pairs or rounds, if not the benchmark's own number.
    pub rounds: Option<usize>,
    /// The `quorate` binary.
    pub binary: PathBuf,
}
