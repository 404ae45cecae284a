//! What each operation means. Called by `gateway`.

pub mod exception;
pub mod model;
