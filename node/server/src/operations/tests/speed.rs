//! Reads of many tasks stay far below what a caller notices, even unoptimised on a busy machine.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

/// Generous by two orders of magnitude: it is to catch work that grows with the square of what there is.
const QUICK: Duration = Duration::from_secs(10);

#[test]
fn thousands_of_tasks_are_listed_and_described_quickly() {
    let mut desk = Desk::with_room();
    let template = desk.ok("RunTask", json!({"taskDefinition": "web"}))["tasks"][0].clone();
    let template = desk.state.task(&Desk::id(&template)).unwrap().clone();
    let mut tasks = Vec::new();
    for number in 0..3000_u128 {
        let id = TaskId::from_u128(number + 1);
        let instance = InstanceId::from_u128(1);
        tasks.push(quorate_core::command::NewTask {
            id,
            cluster: ClusterName::default_cluster(),
            definition: template.definition.clone(),
            instance,
            reserved: quorate_core::command::Reservation::default(),
            containers: Vec::new(),
            group: "g".into(),
            started_by: String::new(),
            overrides: template.overrides.clone(),
            tags: Vec::new(),
            launch_type: "EC2".into(),
            provider: None,
            stop_timeout_ms: 1,
            enable_execute_command: false,
        });
    }
    let request = RequestId::from_u128(1);
    let index = desk.state.applied_index() + 1;
    let entry = Entry {
        at: Millis(1),
        items: vec![Item {
            request,
            command: Command::StartTasks {
                token: None,
                tasks,
                asked: None,
            },
        }],
    };
    apply(&mut desk.state, index, &entry)
        .outcomes
        .remove(0)
        .unwrap();

    let begun = Instant::now();
    let (mut next, mut count) = (Value::Null, 0);
    loop {
        let page = desk.ok("ListTasks", json!({ "nextToken": next }));
        let arns = page["taskArns"].clone();
        count += arns.as_array().unwrap().len();
        desk.ok("DescribeTasks", json!({ "tasks": arns }));
        match page.get("nextToken") {
            Some(token) => next = token.clone(),
            None => break,
        }
    }
    assert_eq!(count, 3001);
    assert!(begun.elapsed() < QUICK, "{:?}", begun.elapsed());
}
