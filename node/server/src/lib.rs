//! quorate-server

pub mod consensus;
pub mod gateway;
pub mod operations;
