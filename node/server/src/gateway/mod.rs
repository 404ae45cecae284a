//! The room between the wire and the meaning: every call that a listener has understood passes here and finds the
//! node that may answer it. Called by `http`; calls `operations`.

mod call;

pub use call::{Answer, Call, Principal, Service};
