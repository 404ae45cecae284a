//! The model as data is whole, and the checker says what AWS would.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refusal(operation: &str, input: Value) -> (Kind, String) {
    let exception = validate_input(operation, &input).unwrap_err();
    (exception.kind(), exception.message().to_owned())
}

#[test]
fn the_embedded_model_is_whole() {
    assert_eq!(operations().count(), 88);
    assert_eq!(target_prefix(), "AmazonEC2ContainerServiceV20141113");
    assert_eq!(operation("RunTask"), Some("RunTask"));
    assert_eq!(operation("runtask"), None);
}

#[test]
fn every_exception_of_the_model_has_a_kind() {
    for (name, operation) in &MODEL.operations {
        for error in &operation.errors {
            assert!(
                Kind::ALL.iter().any(|kind| kind.name() == error),
                "{name} declares {error}"
            );
        }
    }
    assert!(declares("RunTask", Kind::Conflict));
    assert!(!declares("ListClusters", Kind::Conflict));
}

#[test]
fn every_operation_may_answer_the_two_refusals_of_the_check() {
    for operation in operations() {
        assert!(declares(operation, Kind::InvalidParameter), "{operation}");
    }
}

#[test]
fn a_missing_member_is_named() {
    assert_eq!(
        refusal("RunTask", json!({})),
        (
            Kind::InvalidParameter,
            "TaskDefinition can not be blank.".into()
        )
    );
    assert_eq!(
        refusal("RunTask", json!({"taskDefinition": ""})).1,
        "TaskDefinition can not be blank."
    );
    assert_eq!(
        refusal("RunTask", json!({"taskDefinition": null})).1,
        "TaskDefinition can not be blank."
    );
}

#[test]
fn a_wrong_type_is_a_serialization_exception() {
    assert_eq!(
        refusal("RunTask", json!({"taskDefinition": "a", "count": "3"})),
        (
            Kind::Serialization,
            "STRING_VALUE can not be converted to an Integer at count".into()
        )
    );
    let nested = json!({"family": "f", "containerDefinitions": [{"memory": 1}, {"memory": true}]});
    assert_eq!(
        refusal("RegisterTaskDefinition", nested).1,
        "TRUE_VALUE can not be converted to an Integer at containerDefinitions[1].memory"
    );
    for count in [json!(1.5), json!(3_000_000_000_u64), json!([]), json!({})] {
        assert_eq!(
            refusal("RunTask", json!({"taskDefinition": "a", "count": count})).0,
            Kind::Serialization
        );
    }
    assert_eq!(
        refusal("ListClusters", json!([])).1,
        "START_ARRAY can not be converted to a Structure"
    );
}

#[test]
fn an_unknown_enum_value_is_named_with_its_set() {
    assert_eq!(
        refusal("ListTaskDefinitions", json!({"sort": "UP"})),
        (
            Kind::InvalidParameter,
            "1 validation error detected: Value 'UP' at 'sort' failed to satisfy constraint: \
             Member must satisfy enum value set: [ASC, DESC]"
                .into()
        )
    );
}

#[test]
fn limits_of_the_model_hold() {
    let tags = |tags: Value| refusal("CreateCluster", json!({ "tags": tags })).1;
    let many: Vec<_> = (0..51).map(|n| json!({"key": n.to_string()})).collect();
    assert!(tags(json!(many)).contains("Member must have length less than or equal to 50"));
    assert!(tags(json!([{"key": "k".repeat(129)}])).contains("at 'tags[0].key'"));
    assert!(tags(json!([{"key": "semi;colon"}])).contains("contain allowed characters only"));
    assert!(
        validate_input(
            "CreateCluster",
            &json!({"tags": [{"key": "gruß Ω/1", "value": ""}]})
        )
        .is_ok()
    );
}

#[test]
fn unknown_members_and_nulls_of_callers_pass() {
    let input = json!({"taskDefinition": "a", "cluster": null, "newInAnotherRelease": [1]});
    assert_eq!(validate_input("RunTask", &input), Ok(()));
}

#[test]
fn what_has_no_meaning_is_dropped_at_every_level() {
    let mut input = json!({"taskDefinition": "a", "cluster": null, "newer": 1, "tags": [{"key": "k", "value": null, "newer": 2}],
        "overrides": {"containerOverrides": [{"name": "c", "command": null}], "newer": {}}});
    prune_input("RunTask", &mut input);
    let left = json!({"taskDefinition": "a", "tags": [{"key": "k"}], "overrides": {"containerOverrides": [{"name": "c"}]}});
    assert_eq!(input, left);
}

#[test]
fn our_own_answers_are_held_to_the_letter() {
    assert_eq!(
        check_output("ListClusters", &json!({"clusterArns": []})),
        Ok(())
    );
    assert_eq!(
        check_output("ListClusters", &json!({"clusters": []})),
        Err("ListClusters: clusters is not a member of the model.".into())
    );
    assert!(check_output("ListClusters", &json!({"nextToken": null})).is_err());
    assert!(
        check_output(
            "DescribeTasks",
            &json!({"tasks": [{"createdAt": "yesterday"}]})
        )
        .is_err()
    );
    assert!(check_output("NoSuchOperation", &json!({})).is_err());
}

#[test]
fn a_body_that_is_not_json_is_refused() {
    for body in [
        &b""[..],
        b"{",
        b"{} {}",
        b"nul",
        b"{\"a\":1,}",
        b"{\"cluster\":\"\xff\"}",
        b"{\"a\":1e999}",
    ] {
        assert_eq!(
            parse_input("ListClusters", body).unwrap_err().kind(),
            Kind::Serialization
        );
    }
}

#[test]
fn a_key_twice_is_refused() {
    let body = br#"{"tags":[{"key":"a","key":"b"}]}"#;
    assert!(
        parse_input("CreateCluster", body)
            .unwrap_err()
            .message()
            .contains("twice")
    );
}

#[test]
fn depth_is_limited() {
    let nested = |levels: usize| {
        format!(
            "{{\"x\":{}{}}}",
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        )
    };
    assert!(parse_input("ListClusters", nested(64).as_bytes()).is_ok());
    assert!(parse_input("ListClusters", nested(65).as_bytes()).is_err());
    assert!(parse_input("ListClusters", "[".repeat(1 << 20).as_bytes()).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("cluster".to_owned()),
        Just("tags".to_owned()),
        Just("containerDefinitions".to_owned()),
        Just("overrides".to_owned()),
        "[a-z]{1,3}"
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_input_is_accepted_or_refused_with_one_of_two_exceptions(
        index in 0..88_usize, input in any_json()
    ) {
        let operation = operations().nth(index).unwrap();
        if let Err(exception) = validate_input(operation, &input) {
            prop_assert!([Kind::Serialization, Kind::InvalidParameter].contains(&exception.kind()));
        }
    }

    #[test]
    fn our_parser_reads_what_serde_reads(value in any_json()) {
        let text = value.to_string();
        prop_assert_eq!(json::parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = json::parse(&bytes);
    }
}
