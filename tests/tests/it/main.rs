//! Every integration test of the project, in one binary, so that it is linked once. Each module is one promise.

mod conformance;
mod tidy;
