//! Agents and what befalls them: killed and back, their node gone, the whole control plane gone, lost for good.

use std::time::Duration;

use quorate_chaos::cluster::{ProcessId, Runtime};
use quorate_tests::ecs::TASK_LIMIT;
use quorate_tests::harness::{TestCluster, eventually, holds};
use quorate_tests::tools::run;
use serde_json::{Value, json};
use tokio::time::Instant;

/// I13: connected again within five seconds; a leader's death may add an election.
const RECONNECT_LIMIT: Duration = Duration::from_secs(5);
const ELECTION_LIMIT: Duration = Duration::from_secs(5);

/// Short, so that the tests see it pass; longer than any election.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// How often an agent speaks; what Welcome tells it.
const HEARTBEAT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_killed_agent_adopts_its_processes_and_starts_none_twice() {
    let mut cluster = TestCluster::start(|options| options.agents = 1).await;
    let any = cluster.any();
    let definition = any.register_sleeper("steady").await;
    let tasks = any.run(&definition, 3).await;
    let before = any.running(&tasks).await;
    let processes = cluster.task_processes();
    assert_eq!(processes.len(), 3);

    // One ends while nobody looks: its exit code must be known all the same.
    cluster.kill("a1").expect("the agent can be killed");
    end(processes[0]);
    cluster.start("a1").expect("the agent starts again");
    cluster.serve().await;

    let stopped = eventually("the end of a task is seen", TASK_LIMIT, || async {
        any.describe_tasks(&tasks)
            .await
            .into_iter()
            .find(|task| task["lastStatus"] == "STOPPED")
    })
    .await;
    assert_eq!(stopped["stopCode"], "EssentialContainerExited");
    assert_eq!(stopped["containers"][0]["exitCode"], 137, "{stopped}");
    assert_eq!(
        cluster.task_processes(),
        processes[1..],
        "adopted, none started twice"
    );
    let after = any.describe_tasks(&tasks).await;
    for task in after
        .iter()
        .filter(|task| task["taskArn"] != stopped["taskArn"])
    {
        let earlier = before
            .iter()
            .find(|earlier| earlier["taskArn"] == task["taskArn"])
            .expect("the same tasks");
        assert_eq!(task["startedAt"], earlier["startedAt"]);
        assert_eq!(
            task["containers"][0]["runtimeId"],
            earlier["containers"][0]["runtimeId"]
        );
        assert_eq!(task["lastStatus"], "RUNNING");
    }
    assert_eq!(any.instances().await.len(), 1, "it is the same instance");
}

#[tokio::test]
async fn a_killed_agent_adopts_its_containers_and_starts_none_twice() {
    let mut cluster = TestCluster::start(|options| {
        options.agents = 1;
        options.runtime = Runtime::Docker;
    })
    .await;
    let any = cluster.any();
    let definition = any.register_sleeper("steady").await;
    let tasks = any.run(&definition, 2).await;
    any.running(&tasks).await;
    let before: Vec<String> = tasks.iter().map(|task| containers(task)).collect();

    cluster.restart("a1").expect("the agent starts again");
    cluster.serve().await;
    // A task that is placed and runs shows that the agent has worked through what it found.
    let another = any.run(&definition, 1).await;
    any.running(&another).await;

    let after: Vec<String> = tasks.iter().map(|task| containers(task)).collect();
    assert_eq!(after, before, "the same containers, none started twice");
    any.running(&tasks).await;
}

#[tokio::test]
async fn an_agent_moves_to_another_node_within_seconds() {
    let mut cluster = TestCluster::start(|_| {}).await;
    let any = cluster.any();
    let definition = any.register_sleeper("steady").await;
    let tasks = any.run(&definition, 2).await;
    any.running(&tasks).await;
    let processes = cluster.task_processes();

    // Whichever node an agent is connected to, one of the three is it.
    for node in ["n1", "n2", "n3"] {
        let killed = Instant::now();
        cluster.kill(node).expect("a node can be killed");
        let task = any.run(&definition, 2).await;
        any.running(&task).await;
        let took = killed.elapsed();
        println!(
            "{node} killed; tasks on both agents run {} ms later",
            took.as_millis()
        );
        assert!(took < RECONNECT_LIMIT + ELECTION_LIMIT, "{took:?}");
        any.stop(&task).await;
        cluster.start(node).expect("a node starts on its data");
        cluster.serve().await;
    }
    assert_eq!(cluster.task_processes(), processes);
}

#[tokio::test]
async fn tasks_go_on_while_the_control_plane_is_gone() {
    let mut cluster = TestCluster::start(|options| options.lost_after = LOST_AFTER).await;
    let any = cluster.any();
    let definition = any.register_sleeper("steady").await;
    let tasks = any.run(&definition, 3).await;
    let before = any.running(&tasks).await;
    let processes = cluster.task_processes();

    for node in ["n1", "n2", "n3"] {
        cluster.kill(node).expect("a node can be killed");
    }
    // Longer than an instance may be silent: but nobody was there to hear it.
    holds(
        "the tasks' processes",
        LOST_AFTER + Duration::from_secs(1),
        || async { cluster.task_processes() == processes },
    )
    .await;
    for node in ["n1", "n2", "n3"] {
        cluster.start(node).expect("a node starts on its data");
    }
    cluster.serve().await;

    holds("the tasks", Duration::from_secs(2), || async {
        let after = any.describe_tasks(&tasks).await;
        after.iter().zip(&before).all(|(after, before)| {
            after["lastStatus"] == "RUNNING" && after["startedAt"] == before["startedAt"]
        })
    })
    .await;
    assert_eq!(cluster.task_processes(), processes);
}

#[tokio::test]
async fn a_lost_instance_gives_up_its_tasks_and_stops_them_when_it_returns() {
    let mut cluster = TestCluster::start(|options| options.lost_after = LOST_AFTER).await;
    let any = cluster.any();
    let definition = any.register_sleeper("steady").await;
    let tasks = any.run(&definition, 4).await;
    any.running(&tasks).await;
    let processes = cluster.task_processes_of("a1").expect("a1 is an agent");
    assert!(!processes.is_empty());

    let lost = Instant::now();
    cluster.kill("a1").expect("the agent can be killed");
    let instance = eventually(
        "it shows at once that the agent is disconnected",
        Duration::from_secs(2),
        || async {
            any.instances()
                .await
                .into_iter()
                .find(|instance| instance["agentConnected"] == false)
        },
    )
    .await;
    let here = |task: &Value| task["containerInstanceArn"] == instance["containerInstanceArn"];
    let before = any.describe_tasks(&tasks).await;
    assert!(
        before.iter().all(|task| task["desiredStatus"] == "RUNNING"),
        "not given up at once"
    );

    let given_up = eventually(
        "the tasks of the lost instance are given up",
        LOST_AFTER + Duration::from_secs(10),
        || async {
            let here: Vec<Value> = any
                .describe_tasks(&tasks)
                .await
                .into_iter()
                .filter(|task| here(task))
                .collect();
            here.iter()
                .all(|task| task["lastStatus"] == "STOPPED")
                .then_some(here)
        },
    )
    .await;
    // Silence is counted from the last sign of life, which may lie one heartbeat before the kill.
    assert!(
        lost.elapsed() + HEARTBEAT >= LOST_AFTER,
        "given up after {:?}",
        lost.elapsed()
    );
    assert_eq!(given_up.len(), processes.len());
    for task in &given_up {
        assert!(
            task["stoppedReason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{task}"
        );
        assert!(!task["stopCode"].is_null(), "{task}");
    }
    let others = any.describe_tasks(&tasks).await;
    assert!(
        others
            .iter()
            .filter(|task| !here(task))
            .all(|task| task["lastStatus"] == "RUNNING"),
        "the others go on"
    );
    assert!(
        processes.iter().all(|process| process.is_alive()),
        "nobody could tell the processes yet"
    );

    cluster.start("a1").expect("the agent starts again");
    eventually("what was given up is stopped", TASK_LIMIT, || async {
        cluster
            .task_processes_of("a1")
            .expect("a1 is an agent")
            .is_empty()
            .then_some(())
    })
    .await;
    cluster.serve().await;
    assert_eq!(
        any.instances().await.len(),
        2,
        "it is the same instance again"
    );
    let anew = any.run(&definition, 2).await;
    any.running(&anew).await;
    assert!(
        !cluster
            .task_processes_of("a1")
            .expect("a1 is an agent")
            .is_empty(),
        "it is given tasks again"
    );
}

#[tokio::test]
async fn elections_never_make_a_healthy_instance_lost() {
    let mut cluster = TestCluster::start(|options| options.lost_after = LOST_AFTER).await;
    let any = cluster.any();
    let definition = any.register_sleeper("steady").await;
    let tasks = any.run(&definition, 4).await;
    any.running(&tasks).await;
    let processes = cluster.task_processes();

    // Elections for longer than an instance may be silent.
    let until = Instant::now() + 2 * LOST_AFTER;
    let mut elections = 0;
    while Instant::now() < until {
        let leader = cluster.the_leader().await;
        cluster
            .restart(&leader)
            .expect("the leader starts on its data");
        cluster.serve().await;
        elections += 1;
    }
    println!("{elections} leaders killed");
    let after = any.describe_tasks(&tasks).await;
    assert!(
        after
            .iter()
            .all(|task| task["lastStatus"] == "RUNNING" && task["desiredStatus"] == "RUNNING"),
        "{}",
        json!(after)
    );
    assert_eq!(cluster.task_processes(), processes);
}

/// The container of a task, by the label it carries.
fn containers(task: &str) -> String {
    run(
        "docker",
        &[
            "ps",
            "--quiet",
            "--no-trunc",
            "--filter",
            &format!("label=org.quorate.task-arn={task}"),
        ],
    )
}

fn end(process: ProcessId) {
    process
        .signal(rustix::process::Signal::KILL)
        .expect("the process runs");
}
