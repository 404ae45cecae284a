//! Free ports on the loopback interface.
//!
//! A port of the kernel's choosing (port 0) lies where outgoing connections get theirs, and may be taken by one of them
//! between our look and the process that is meant to have it. So ports are drawn from below that range.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below Linux's default range of ephemeral ports, above the ports of well-known neighbours.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

/// `count` different ports that nothing listens on now.
pub(super) fn free(count: usize) -> io::Result<Vec<u16>> {
    let span = u64::from(LAST - FIRST) + 1;
    // Each RandomState is seeded anew, which is all the randomness that is wanted here.
    let start = RandomState::new().hash_one(count) % span;
    let mut ports = BTreeSet::new();
    for step in 0..span {
        if ports.len() == count {
            break;
        }
        let port = FIRST + u16::try_from((start + step) % span).expect("the span is one of u16");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            ports.insert(port);
        }
    }
    if ports.len() < count {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("no {count} free ports in {FIRST}..={LAST}"),
        ));
    }
    Ok(ports.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_different_and_free() {
        let ports = free(9).unwrap();
        let listeners: Vec<_> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap())
            .collect();
        assert_eq!(listeners.len(), 9);
    }
}
