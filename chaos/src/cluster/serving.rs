//! Looking at a cluster from outside: whether it serves, who leads it, what a member last said.

use std::fs;
use std::time::Duration;

use quorate_client::ClientError;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::health::ask;
use super::member::{Member, Role};
use super::{Cluster, ClusterError, POLL_PAUSE};

/// The end of a log that is shown when a member is not as it should be.
const LOG_TAIL_LINES: usize = 15;

/// The time a question about the cluster is given; it is asked again, or of another node.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);

/// What a node has applied. Equal indexes have equal digests, or the cluster is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The index of the last entry that its state holds.
    pub applied: u64,
    /// The digest of that state.
    pub digest: String,
}

impl Cluster {
    /// Waits until every living node is ready and every living agent is connected.
    ///
    /// # Errors
    /// [`ClusterError::NotServing`] says what is missing, and at once if a process has ended.
    pub async fn serving(&mut self, limit: Duration) -> Result<(), ClusterError> {
        let deadline = Instant::now() + limit;
        let expected = self
            .names()
            .into_iter()
            .filter(|name| self.member(name).is_ok_and(Member::is_alive))
            .collect::<Vec<_>>();
        loop {
            if let Some(dead) = expected
                .iter()
                .find(|name| !self.member(name).is_ok_and(Member::is_alive))
            {
                let what = format!("{dead} has ended:\n{}", self.log_tail(dead));
                return Err(ClusterError::NotServing { what });
            }
            match self.missing_to_serve().await {
                None => return Ok(()),
                Some(what) if Instant::now() >= deadline => {
                    let what = format!("after {limit:?} {what}");
                    return Err(ClusterError::NotServing { what });
                }
                Some(_) => sleep(POLL_PAUSE).await,
            }
        }
    }

    /// The name of the node that leads, by its own word. Of two that say so, as when one of them was paused and does not
    /// yet know, the one of the newer term.
    pub async fn leader(&self) -> Option<String> {
        for (member, _) in self.living_nodes() {
            let client = self.client(&[&member.name], QUESTION_LIMIT).ok()?;
            let Ok(answer) = client.call_quorate("ListNodes", json!({})).await else {
                continue;
            };
            let leaders = answer["nodes"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|node| node["role"] == "LEADER");
            if let Some(id) = leaders
                .max_by_key(|node| node["term"].as_u64())
                .and_then(|node| node["nodeId"].as_u64())
            {
                return Some(format!("n{id}"));
            }
        }
        None
    }

    /// Where a node stands, by its own word.
    pub async fn standing(&self, node: &str) -> Option<Standing> {
        let client = self.client(&[node], QUESTION_LIMIT).ok()?;
        let answer = client.call_quorate("ListNodes", json!({})).await.ok()?;
        let is_it = |each: &&Value| {
            each["nodeId"]
                .as_u64()
                .is_some_and(|id| node == format!("n{id}"))
        };
        let own = answer["nodes"].as_array()?.iter().find(is_it)?;
        Some(Standing {
            applied: own["appliedIndex"].as_u64()?,
            digest: own["digest"].as_str()?.to_owned(),
        })
    }

    /// The end of a member's log.
    #[must_use]
    pub fn log_tail(&self, name: &str) -> String {
        let text = self
            .member(name)
            .ok()
            .and_then(|member| fs::read_to_string(member.log()).ok())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    /// What is not yet there, in words.
    async fn missing_to_serve(&self) -> Option<String> {
        for (member, addresses) in self.living_nodes() {
            match ask(&addresses.health, "/readyz?verbose").await {
                Ok(health) if health.status == 200 => {}
                Ok(health) => {
                    return Some(format!("{} is not ready:\n{}", member.name, health.body));
                }
                Err(error) => {
                    return Some(format!(
                        "{} does not answer on its health port: {error}",
                        member.name
                    ));
                }
            }
        }
        let agents = self
            .state
            .members
            .iter()
            .filter(|member| member.role == Role::Agent && member.is_alive())
            .count();
        match self.connected_agents().await {
            Ok(connected) if connected >= agents => None,
            Ok(connected) => Some(format!("{connected} of {agents} agents are connected")),
            Err(error) => Some(format!("the instances cannot be listed: {error}")),
        }
    }

    async fn connected_agents(&self) -> Result<usize, ClientError> {
        let nodes: Vec<&str> = self
            .living_nodes()
            .map(|(member, _)| member.name.as_str())
            .collect();
        let Ok(client) = self.client(&nodes, QUESTION_LIMIT) else {
            return Ok(0);
        };
        let instances = match client
            .paginate("ListContainerInstances", json!({}), "containerInstanceArns")
            .await
        {
            // The first agent makes the cluster when it comes.
            Err(error) if error.code() == Some("ClusterNotFoundException") => return Ok(0),
            result => result?,
        };
        let arns: Vec<String> = instances
            .iter()
            .filter_map(|arn| arn.as_str().map(str::to_owned))
            .collect();
        let answer = client
            .describe(
                "DescribeContainerInstances",
                json!({}),
                "containerInstances",
                &arns,
            )
            .await?;
        let described = answer["containerInstances"]
            .as_array()
            .into_iter()
            .flatten();
        Ok(described
            .filter(|instance| instance["agentConnected"] == true)
            .count())
    }
}
