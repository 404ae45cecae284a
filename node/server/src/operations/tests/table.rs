//! The table itself, and what does not need a state.

use super::*;

#[test]
fn every_row_of_ecs_is_an_operation_of_the_model_and_appears_once() {
    for (place, row) in TABLE.iter().enumerate() {
        assert!(
            row.service != "ecs" || model::operation(row.name) == Some(row.name),
            "{}",
            row.name
        );
        let is_twin = |other: &Operation| other.service == row.service && other.name == row.name;
        assert!(!TABLE[..place].iter().any(is_twin), "{} twice", row.name);
    }
}

#[test]
fn what_is_not_in_the_table_says_so_by_name() {
    let refusal = |service, name| find(service, name).map(|row| row.name).unwrap_err();
    assert_eq!(
        refusal("ecs", "CreateDaemon").kind(),
        Refused::UnsupportedFeature
    );
    assert!(
        refusal("ecs", "CreateDaemon")
            .message()
            .contains("CreateDaemon")
    );
    assert_eq!(
        refusal("ecs", "NoSuchThing").kind(),
        Refused::UnknownOperation
    );
    assert_eq!(
        refusal("sts", "AssumeRole").kind(),
        Refused::UnknownOperation
    );
    assert_eq!(
        refusal("ecs", "ListNodes").kind(),
        Refused::UnknownOperation
    );
}

#[test]
fn callers_learn_who_they_are() {
    let caller = Desk::new().caller;
    let shown: Value = serde_json::from_slice(&callers::identity(&caller)).unwrap();
    assert_eq!(
        shown,
        json!({"Account": "000000000000", "Arn": "arn:aws:iam::000000000000:user/dev", "UserId": "AIDADEV"})
    );
}
