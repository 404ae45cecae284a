//! quorate-server

pub mod gateway;
pub mod operations;
