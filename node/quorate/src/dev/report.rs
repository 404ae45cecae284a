//! What `quorate dev` says once it serves: who runs where, and what to try.

use std::path::Path;

use serde_json::Value;

use super::child::Kept;
use super::defaults;
use super::layout::Layout;
use super::runtime::Chosen;
use crate::commands::status;
use crate::render::{table, text};

/// Everything there is to say.
pub(crate) struct Report<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) nodes: &'a [Kept],
    pub(crate) agents: &'a [Kept],
    /// The answer of ListNodes.
    pub(crate) members: &'a Value,
    pub(crate) chosen: &'a Chosen,
    pub(crate) data: &'a str,
    pub(crate) base_port: u16,
    /// How the user can call this executable.
    pub(crate) program: &'a str,
}

impl Report<'_> {
    /// The tables, the runtime, and three things to try.
    pub(crate) fn render(&self) -> String {
        let leader = status::leader(self.members)
            .map(|node| text(node, "/nodeId"))
            .unwrap_or_default();
        let mut leader_pid = None;
        let mut node_rows = Vec::new();
        for (number, (node, kept)) in (1..).zip(self.layout.nodes.iter().zip(self.nodes)) {
            let (leads, pid) = (number.to_string() == leader, kept.pid());
            leader_pid = if leads { pid } else { leader_pid };
            node_rows.push(vec![
                node.member.name.clone(),
                process(pid),
                node.api.to_string(),
                node.peer.to_string(),
                node.health.to_string(),
                if leads { "LEADER" } else { "FOLLOWER" }.to_owned(),
                shown(&node.member.log),
            ]);
        }
        let agent_rows = self.agents.iter().map(|kept| {
            vec![
                kept.member.name.clone(),
                process(kept.pid()),
                shown(&kept.member.log),
            ]
        });
        let Self {
            program,
            data,
            chosen,
            ..
        } = self;
        let (runtime, why) = (chosen.name(), &chosen.why);
        let base_port = if self.base_port == defaults::BASE_PORT {
            String::new()
        } else {
            format!(" --base-port {}", self.base_port)
        };
        let kill = leader_pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
        let after = match self.nodes.len() {
            1 | 2 => "calls wait until dev has started it again",
            _ => "calls go on, another node leads, dev starts it again",
        };
        format!(
            "{}\n{}\nruntime: {runtime} ({why})\ndata:    {data}\n\n\
             Point AWS tools here:\n  eval \"$({program} env{base_port})\"\n\
             then try:\n  {program} status\n  aws ecs list-tasks\n  \
             kill -9 {kill}    # the leader: {after}\n",
            table(
                &["NODE", "PID", "API", "PEER", "HEALTH", "ROLE", "LOG"],
                node_rows
            ),
            table(&["AGENT", "PID", "LOG"], agent_rows),
        )
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| pid.to_string()).unwrap_or_default()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
