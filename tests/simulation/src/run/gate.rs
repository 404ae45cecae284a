//! The clients' way in: their calls cross the network and reach a node's gateway, beyond sockets and signatures.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use quorate_core::ids::NodeId;
use quorate_server::gateway::{self, Principal, Service};
use serde_json::Value;
use tokio::time::Instant;

use super::cluster::Cluster;
use crate::api::{Answer, Api, Call, Outcome};
use crate::world::Place;
use crate::world::network::Reached;

/// The gate of one cluster.
pub(super) struct Gate {
    cluster: Cluster,
}

impl Gate {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    async fn carry(&self, call: Call) -> Outcome {
        self.cluster.count_call();
        let (client, place) = (Place::Client(call.client), Place::Node(call.node.0));
        let patience = call.patience;
        let node = self.cluster.nodes().get(&call.node).cloned();
        let answering = move || {
            let (life, gateway) = node?.way_in()?;
            let call = gateway_call(&call);
            Some((life, async move { gateway.call(call).await }))
        };
        match self
            .cluster
            .network()
            .reach(client, place, patience, answering)
            .await
        {
            Reached::Answered(answer) => Outcome::Answered(read(&answer)),
            Reached::Refused => Outcome::NotSent,
            Reached::Silence => Outcome::Unknown,
        }
    }
}

impl Api for Gate {
    fn nodes(&self) -> Vec<NodeId> {
        self.cluster.nodes().keys().copied().collect()
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Outcome> {
        self.carry(call).boxed()
    }
}

/// The call as a listener hands it over, with the deadline counted from when it arrives.
fn gateway_call(call: &Call) -> gateway::Call {
    let service = if call.service == "quorate" {
        Service::Quorate
    } else {
        Service::Ecs
    };
    gateway::Call {
        service,
        operation: call.operation.to_owned(),
        body: Bytes::from(call.body.to_string()),
        request_id: uuid::Uuid::from_u128(quorate_server::entropy::number()).to_string(),
        principal: Principal {
            arn: "arn:aws:iam::000000000000:user/simulated".to_owned(),
            account: "000000000000".to_owned(),
            access_key_id: "AKIASIMULATED0000000".to_owned(),
            user_id: "AIDASIMULATED".to_owned(),
        },
        deadline: Instant::now() + call.patience,
    }
}

fn read(answer: &gateway::Answer) -> Answer {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = (answer.status != 200)
        .then(|| body["__type"].as_str().unwrap_or("UnknownError").to_owned());
    Answer {
        status: answer.status,
        error,
        body,
    }
}
