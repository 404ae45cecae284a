//! An agent as a real process against scripted nodes, with real processes and a real Docker engine; and once where nothing is real.
#![allow(clippy::unwrap_used)]

mod agent;
mod docker;
mod gateway;
mod process;
mod session;
mod surroundings;
