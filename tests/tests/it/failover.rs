//! The leader dies by kill -9 while clients run tasks: what was acknowledged exists once, every call is answered, and
//! what ran before runs on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use quorate_client::client_token;
use quorate_tests::ecs::{CLUSTER, Ecs, strings};
use quorate_tests::harness::{TestCluster, eventually};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

const CLIENTS: usize = 8;

/// Each client stops here at the latest, so that the machine has room for the tasks as real processes.
const CALLS_MAX: usize = 30;

/// A call is repeated with its token until then; an election takes a second or two.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Room for every task on every agent.
const ROOM: [&str; 4] = ["--cpu", "1000000", "--memory", "1000000"];

/// One acknowledged call.
struct Acknowledged {
    issued: Instant,
    answered: Instant,
    token: String,
    task: String,
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_doubled_when_the_leader_is_killed() {
    let mut cluster =
        TestCluster::start(|options| options.agent_arguments = ROOM.map(str::to_owned).to_vec())
            .await;
    let any = cluster.any();
    let definition = any.register_sleeper("steady").await;
    let steady = any.run(&definition, 4).await;
    let before = any.running(&steady).await;
    let processes = cluster.task_processes();

    let leader = cluster.the_leader().await;
    let survivors = cluster.followers().await;
    let survivors: Vec<&str> = survivors.iter().map(String::as_str).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for at in 0..CLIENTS {
        // Half of the clients know the survivors only: their calls must not even be interrupted.
        let patient = at % 2 == 0;
        let ecs = if patient {
            cluster.ecs(&survivors)
        } else {
            cluster.any()
        };
        clients.spawn(run_tasks(
            ecs,
            definition.clone(),
            patient,
            Arc::clone(&stop),
            Arc::clone(&acknowledged),
        ));
    }
    eventually("calls are answered", ANSWER_LIMIT, || async {
        (acknowledged.load(Ordering::Relaxed) >= 2 * CLIENTS).then_some(())
    })
    .await;

    let killed = Instant::now();
    cluster.kill(&leader).expect("the leader can be killed");
    let at_kill = acknowledged.load(Ordering::Relaxed);
    eventually("calls are answered again", ANSWER_LIMIT, || async {
        (acknowledged.load(Ordering::Relaxed) >= at_kill + 3 * CLIENTS).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    let calls: Vec<Acknowledged> = clients.join_all().await.into_iter().flatten().collect();

    let first = calls
        .iter()
        .filter(|call| call.issued > killed)
        .map(|call| call.answered - killed)
        .min();
    let window = first.expect("calls were issued after the kill");
    let longest = calls
        .iter()
        .map(|call| call.answered - call.issued)
        .max()
        .unwrap_or_default();
    println!(
        "from kill -9 of the leader to the first acknowledged write issued after it: {} ms",
        window.as_millis()
    );
    println!(
        "{} calls, every one answered; the longest took {} ms",
        calls.len(),
        longest.as_millis()
    );

    each_exists_exactly_once(&cluster.ecs(&survivors), &calls, &steady).await;
    let after = cluster.ecs(&survivors).describe_tasks(&steady).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (&before["taskArn"], &before["startedAt"]),
            (&after["taskArn"], &after["startedAt"])
        );
        assert_eq!(
            before["containers"][0]["runtimeId"],
            after["containers"][0]["runtimeId"]
        );
        assert_eq!(after["lastStatus"], "RUNNING");
    }
    let now = cluster.task_processes();
    assert!(
        processes.iter().all(|process| now.contains(process)),
        "a running task was touched: {processes:?} became {now:?}"
    );
}

/// Runs one task after the other, each with a token of its own, and gives what was acknowledged.
async fn run_tasks(
    ecs: Ecs,
    definition: String,
    patient: bool,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
) -> Vec<Acknowledged> {
    let mut calls = Vec::new();
    while !stop.load(Ordering::Relaxed) && calls.len() < CALLS_MAX {
        let (token, issued) = (client_token(), Instant::now());
        let body = json!({"cluster": CLUSTER, "taskDefinition": definition, "clientToken": token});
        let answer = if patient {
            ecs.client().call("RunTask", body).await
        } else {
            ecs.client()
                .call_until("RunTask", body, issued + ANSWER_LIMIT)
                .await
        };
        let answer = answer.unwrap_or_else(|error| {
            panic!("a call was lost (survivors only: {patient}): {error:?}")
        });
        let tasks = strings(&answer["tasks"], "taskArn");
        assert_eq!(
            (tasks.len(), &answer["failures"]),
            (1, &json!([])),
            "{answer}"
        );
        calls.extend(tasks.into_iter().map(|task| Acknowledged {
            issued,
            answered: Instant::now(),
            token: token.clone(),
            task,
        }));
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    calls
}

/// The tasks of the cluster are the acknowledged ones, no more and no fewer, and every token still gives its own.
async fn each_exists_exactly_once(ecs: &Ecs, calls: &[Acknowledged], steady: &[String]) {
    let expected: BTreeSet<&str> = calls
        .iter()
        .map(|call| call.task.as_str())
        .chain(steady.iter().map(String::as_str))
        .collect();
    assert_eq!(
        expected.len(),
        calls.len() + steady.len(),
        "no two calls were given one task"
    );
    let listed = ecs.task_arns().await;
    let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(listed, expected, "the acknowledged tasks and no others");
    for call in calls.iter().rev().take(CLIENTS) {
        let body =
            json!({"cluster": CLUSTER, "taskDefinition": "steady:1", "clientToken": call.token});
        let again = ecs.call("RunTask", body).await;
        assert_eq!(
            strings(&again["tasks"], "taskArn"),
            [call.task.as_str()],
            "the token is remembered"
        );
    }
}
