//! `node/OPERATIONS.md` says what each operation of the model comes to. `UPDATE_OPERATIONS=1` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;

/// What the table says beside the name.
fn note(operation: &'static str) -> (&'static str, String) {
    match find("ecs", operation) {
        Ok(_) if operation == "ExecuteCommand" => (
            "refuses",
            "as ECS where the task was started without it, else `UnsupportedFeatureException`"
                .to_owned(),
        ),
        Ok(row) => match row.kind() {
            Kind::Write => ("works", "answered by the leader".to_owned()),
            Kind::Read | Kind::Here => ("works", "answered by any node".to_owned()),
        },
        Err(exception) => ("refuses", exception.to_string()),
    }
}

fn page() -> String {
    let rows: Vec<_> = model::operations().map(|name| (name, note(name))).collect();
    let works = rows
        .iter()
        .filter(|(_, (what, _))| *what == "works")
        .count();
    let mut page = format!(
        "# The operations of the ECS API\n\n\
         Of the {} operations of the public model {works} work and {} refuse by name. Made by a test from the model and from the table of\n\
         operations (`UPDATE_OPERATIONS=1 cargo nextest run --workspace -E 'test(coverage)'`); what is beyond ECS is in the README.\n\n\
         | operation | here | |\n| --- | --- | --- |\n",
        rows.len(),
        rows.len() - works,
    );
    for (name, (what, more)) in rows {
        writeln!(page, "| {name} | {what} | {more} |").unwrap();
    }
    page
}

#[test]
fn the_page_of_operations_is_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../OPERATIONS.md");
    let page = page();
    if std::env::var_os("UPDATE_OPERATIONS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "node/OPERATIONS.md is not what the table says: UPDATE_OPERATIONS=1 writes it"
    );
}

#[test]
fn what_only_agents_of_ecs_call_says_what_to_run_instead() {
    let exception = find("ecs", "RegisterContainerInstance")
        .map(|row| row.name)
        .unwrap_err();
    assert_eq!(exception.kind(), Refused::UnsupportedFeature);
    assert!(exception.message().contains("quorate agent"), "{exception}");
}

#[test]
fn a_command_in_a_container_is_refused_as_ecs_would_or_by_name() {
    let mut desk = Desk::with_room();
    let mut run = |enabled: bool| {
        let input = json!({"taskDefinition": "web", "enableExecuteCommand": enabled});
        desk.ok("RunTask", input)["tasks"][0]["taskArn"].clone()
    };
    let (without, with) = (run(false), run(true));
    let exec = |task: &Value| json!({"task": task, "command": "sh", "interactive": true});
    let (kind, text) = desk.refused("ExecuteCommand", exec(&without));
    assert_eq!(kind, Refused::InvalidParameter);
    assert!(text.starts_with("The execute command failed because execute command was not enabled"));
    assert_eq!(
        desk.refused("ExecuteCommand", exec(&with)).0,
        Refused::UnsupportedFeature
    );
    let mut elsewhere = exec(&with);
    elsewhere["container"] = json!("none");
    assert_eq!(
        desk.refused("ExecuteCommand", elsewhere).0,
        Refused::InvalidParameter
    );
    let nobody = exec(&json!("0".repeat(32)));
    assert_eq!(
        desk.refused("ExecuteCommand", nobody),
        (
            Refused::InvalidParameter,
            "The referenced task was not found.".to_owned()
        )
    );
}
