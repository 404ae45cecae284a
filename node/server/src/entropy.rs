//! The one place that draws entropy.

use quorate_core::Mint;
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// A mint with a seed that nobody can guess.
#[must_use]
pub fn mint() -> Mint {
    Mint::new(StdRng::from_os_rng().random())
}

/// A number that nobody can guess.
#[must_use]
pub fn number() -> u128 {
    StdRng::from_os_rng().random()
}

/// A source of random numbers for jitter and the like.
#[must_use]
pub fn source() -> StdRng {
    StdRng::from_os_rng()
}
