//! The words Quorate's own processes say to each other, generated from `proto/*.proto`. No logic lives here.
#![allow(missing_docs, unreachable_pub, clippy::all, unused_qualifications)]

/// Agent and control plane.
pub mod agent {
    tonic::include_proto!("quorate.agent.v1");
}

/// Node and node.
pub mod peer {
    tonic::include_proto!("quorate.peer.v1");
}
