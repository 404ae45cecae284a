//! The two that are compared, behind the same two operations: one durable write of 512 bytes, one linearizable read.

use anyhow::{Context, Result};
use quorate_client::Client;
use serde_json::json;
use tonic::transport::Channel;

use super::etcd::api::kv_client::KvClient;
use super::etcd::api::{PutRequest, RangeRequest};

/// What one write carries, in both: the value of a put, the whole body of a call.
const PAYLOAD_BYTES: usize = 512;

/// Writes go to this many keys or families, so that neither side is measured on one hot object.
const OBJECTS: u64 = 1000;

/// What is asked of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Acknowledged once it is on the disks of a majority.
    Write,
    /// Linearizable.
    Read,
}

/// Who is asked: connections to one cluster, spread over its nodes.
#[derive(Clone)]
pub(super) enum Target {
    /// The public API: signed, JSON, over HTTP.
    Quorate(Vec<Client>),
    /// The peer: gRPC.
    Etcd(Vec<KvClient<Channel>>),
}

impl Target {
    /// The name in tables.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Quorate(_) => "quorate",
            Self::Etcd(_) => "etcd",
        }
    }

    /// Does one operation over the connection that belongs to `client`.
    pub(super) async fn ask(&self, operation: Operation, client: usize, serial: u64) -> Result<()> {
        let object = serial % OBJECTS;
        match self {
            Self::Quorate(clients) => {
                quorate(&clients[client % clients.len()], operation, object).await
            }
            Self::Etcd(clients) => {
                etcd(clients[client % clients.len()].clone(), operation, object).await
            }
        }
    }
}

async fn quorate(client: &Client, operation: Operation, object: u64) -> Result<()> {
    let answer = match operation {
        Operation::Write => {
            client
                .call("RegisterTaskDefinition", definition(object))
                .await
        }
        Operation::Read => {
            client
                .call(
                    "DescribeTaskDefinition",
                    json!({"taskDefinition": family(object)}),
                )
                .await
        }
    };
    answer.map(drop).context("quorate")
}

async fn etcd(mut client: KvClient<Channel>, operation: Operation, object: u64) -> Result<()> {
    let key = family(object).into_bytes();
    match operation {
        Operation::Write => client
            .put(PutRequest {
                key,
                value: vec![b'x'; PAYLOAD_BYTES],
            })
            .await
            .map(drop),
        Operation::Read => client
            .range(RangeRequest {
                key,
                serializable: false,
            })
            .await
            .map(drop),
    }
    .context("etcd")
}

fn family(object: u64) -> String {
    format!("bench-{object:06}")
}

/// A definition whose JSON is as long as the peer's value.
fn definition(object: u64) -> serde_json::Value {
    let with = |filler: String| {
        json!({"family": family(object), "containerDefinitions": [
            {"name": "main", "image": "bench", "memory": 16, "environment": [{"name": "FILLER", "value": filler}]},
        ]})
    };
    let bare = with(String::new()).to_string().len();
    with("x".repeat(PAYLOAD_BYTES.saturating_sub(bare)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_write_the_same_number_of_bytes() {
        assert_eq!(definition(7).to_string().len(), PAYLOAD_BYTES);
    }
}
