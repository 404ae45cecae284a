//! What each operation means. Called by `gateway`.

pub mod exception;
