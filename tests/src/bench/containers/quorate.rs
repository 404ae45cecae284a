//! Ours: three nodes and an agent on the same engine, asked as any client asks.

use std::time::Duration;

use anyhow::{Context, Result};
use quorate_chaos::cluster::{Cluster, ClusterOptions, Runtime};
use quorate_client::Client;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{COMMAND, IMAGE, Options, Sample, watch};
use crate::ecs::CLUSTER;

const SERVING_LIMIT: Duration = Duration::from_secs(60);
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The agent puts it on every container.
const LABEL: &str = "org.quorate.instance-id";
const DEFINITION: &str = "bench";

/// The cluster. It ends when it is dropped.
pub(super) struct Quorate {
    client: Client,
    _cluster: Cluster,
    // After the cluster, which must have ended before its folder goes.
    _folder: TempDir,
}

impl Quorate {
    pub(super) async fn start(options: &Options) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for the data")?;
        let mut wanted = ClusterOptions::new(options.binary.clone(), folder.path().join("quorate"));
        wanted.agents = 1;
        wanted.runtime = Runtime::Docker;
        // Nobody reads the logs of what has ended.
        wanted.agent_arguments = ["--cleanup-wait", "0s"].map(str::to_owned).to_vec();
        let mut cluster = Cluster::launch(&wanted).context("start quorate")?;
        let serving = cluster.serving(SERVING_LIMIT).await;
        serving.context("quorate does not serve")?;
        let client = cluster.client(&["n1", "n2", "n3"], CALL_LIMIT)?;
        let container = json!({
            "name": "main", "image": IMAGE, "command": COMMAND, "cpu": 8, "memoryReservation": 16, "essential": true, "stopTimeout": 2,
        });
        let definition = json!({"family": DEFINITION, "networkMode": "bridge", "containerDefinitions": [container]});
        let registered = client.call("RegisterTaskDefinition", definition).await;
        registered.context("register a definition")?;
        Ok(Self {
            client,
            _cluster: cluster,
            _folder: folder,
        })
    }

    /// The label by which the engine knows its containers.
    pub(super) fn label(&self) -> &'static str {
        LABEL
    }

    /// Starts a service, gives how long it took, and removes it; its containers are on their way out then.
    pub(super) async fn service(&self, name: &str, desired: usize) -> Result<Sample> {
        let service = json!({
            "cluster": CLUSTER, "serviceName": name, "taskDefinition": DEFINITION, "desiredCount": desired,
        });
        let began = Instant::now();
        let created = self.client.call("CreateService", service).await;
        created.context("create a service")?;
        let sample = watch("quorate", desired, began, || self.running(name)).await;
        let deletion = json!({"cluster": CLUSTER, "service": name, "force": true});
        let deleted = self.client.call("DeleteService", deletion).await;
        deleted.context("delete a service")?;
        sample
    }

    async fn running(&self, name: &str) -> Result<usize> {
        let which = json!({"cluster": CLUSTER, "services": [name]});
        let described = self.client.call("DescribeServices", which).await;
        let described = described.context("describe a service")?;
        let count = described["services"][0]["runningCount"].as_u64();
        Ok(usize::try_from(count.context("a service has a count")?)?)
    }
}
