//! An agent as a real process against scripted nodes, with real processes and a real Docker engine.
#![allow(clippy::unwrap_used)]

mod agent;
mod docker;
mod gateway;
mod process;
mod session;
