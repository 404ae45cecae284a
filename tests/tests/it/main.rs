//! Every integration test of the project, in one binary, so that it is linked once. Each module is one promise.

mod agent;
mod bad_input;
mod capacity;
mod conformance;
mod deploy;
mod dev;
mod events;
mod failover;
mod foretold;
mod restart;
mod services;
mod startup;
mod tidy;
