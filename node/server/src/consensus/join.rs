//! How a node finds its place: it is admitted with the disk it has, founds the cluster where there is none, and makes itself known.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::admission::{self, Asking, Found};
use super::leadership::StopReason;
use super::membership::Member;
use super::node::Shared;

/// Pause before those are asked again whom this node could not wait for.
const ASK_LATE: Duration = Duration::from_secs(1);

/// Takes part as soon as that is safe, then hears the rest out. `has_begun`: this node's disk says that it took part before.
pub(super) async fn join(shared: &Shared, has_begun: bool) -> Result<(), StopReason> {
    let others = shared.config.members.iter();
    let others: Vec<Member> = others
        .filter(|member| member.node != shared.me.node)
        .cloned()
        .collect();
    let mut asking = Asking::of(
        &shared.submitter.calls,
        shared.store_id,
        shared.found,
        others,
    );
    if has_begun {
        asking.once().await?;
    } else if asking.until_enough().await? == Found::New {
        found_cluster(shared).await?;
    }
    shared.admitted_by.lock().extend(asking.answered());
    shared.gate.open();
    shared.raft.runtime_config().elect(true);
    tokio::try_join!(record(shared), hear_the_rest(shared, asking)).map(drop)
}

async fn record(shared: &Shared) -> Result<(), StopReason> {
    let Shared {
        config,
        me,
        store_id,
        submitter,
        ..
    } = shared;
    admission::record(&shared.view, submitter, me, *store_id, &config.version).await?;
    if shared.log.identity().initialized {
        return Ok(());
    }
    shared
        .log
        .mark_initialized()
        .await
        .map_err(|error| StopReason::Failed(error.to_string()))
}

/// Whoever was down when this node started may know what it has lost.
async fn hear_the_rest(shared: &Shared, mut asking: Asking<'_>) -> Result<(), StopReason> {
    while !asking.is_done() {
        sleep(ASK_LATE).await;
        let answered = asking.once().await?;
        shared.admitted_by.lock().extend(answered);
    }
    Ok(())
}

/// Founds the cluster. Every first node does so with the same members; together that is one cluster.
async fn found_cluster(shared: &Shared) -> Result<(), StopReason> {
    let members: BTreeMap<_, _> = shared.config.members.iter().map(Member::as_raft).collect();
    match shared.raft.initialize(members).await {
        Ok(()) => Ok(()),
        Err(error) => match error.into_api_error() {
            // Another node was faster: its log or its vote came in between.
            Some(refused) => {
                tracing::debug!(%refused, "the cluster has begun");
                Ok(())
            }
            None => Err(StopReason::Failed(
                "raft ended while the cluster was founded".to_owned(),
            )),
        },
    }
}
