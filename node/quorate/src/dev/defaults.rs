//! What `quorate dev` uses unless told otherwise, and what the other commands therefore assume.

/// The API port of the first node; its peer and health ports follow.
pub(crate) const BASE_PORT: u16 = 6570;

/// Ports from one node to the next.
pub(crate) const PORTS_PER_NODE: u16 = 10;

/// How many nodes there are; with three, one may die.
pub(crate) const NODES: u16 = 3;

/// How many agents there are; with two, placement has something to choose.
pub(crate) const AGENTS: u16 = 2;

/// Host ports for tasks, shared out among the agents: above those that the kernel gives to outgoing connections.
pub(crate) const DYNAMIC_PORTS: (u16, u16) = (61000, 65535);

/// The key pair of every `quorate dev`. It is public: dev listens on loopback only.
pub(crate) const ACCESS_KEY_ID: &str = "AKIAQUORATEDEV000000";
pub(crate) const SECRET_ACCESS_KEY: &str = "quorate-dev-secret-not-for-production";

pub(crate) const REGION: &str = "us-east-1";

/// Where node `number` (from 1) of a dev with this base port serves the API.
pub(crate) fn endpoint(base_port: u16, number: u16) -> String {
    format!(
        "http://127.0.0.1:{}",
        u32::from(base_port) + u32::from(PORTS_PER_NODE) * u32::from(number - 1)
    )
}

/// Every API address of a dev that was started without options.
pub(crate) fn endpoints() -> Vec<String> {
    (1..=NODES)
        .map(|number| endpoint(BASE_PORT, number))
        .collect()
}
