//! Layers, shapes and refusals, with a configuration made up for the purpose.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::logging::LogFormat;

const ROLE: Role = Role {
    prefix: "QUORATE_TEST_",
    keys: &[
        Key::new("node-id", Shape::Number),
        Key::new("nodes", Shape::Texts),
        Key::with_flag("reserved-ports", "--reserved-port", Shape::Numbers),
        Key::with_flag("attributes", "--attribute", Shape::Pairs),
    ],
};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Config {
    node_id: u64,
    account: String,
    lost_after: String,
    nodes: Vec<String>,
    reserved_ports: Vec<u16>,
    attributes: BTreeMap<String, String>,
}

fn given(
    flags: &[(&str, &str)],
    variables: &[(&str, &str)],
    file: &str,
) -> (Given, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.toml");
    std::fs::write(&path, file).unwrap();
    let flags = flags
        .iter()
        .map(|(key, text)| ((*key).to_owned(), Value::from(*text)))
        .collect();
    let variables = variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    (
        Given {
            flags,
            variables,
            file: Some(path),
        },
        directory,
    )
}

fn loaded(
    flags: &[(&str, &str)],
    variables: &[(&str, &str)],
    file: &str,
) -> Result<(Config, LogSettings), SettingsError> {
    let (given, _directory) = given(flags, variables, file);
    load(&ROLE, given, |_| Ok(()))
}

fn refusal(flags: &[(&str, &str)], variables: &[(&str, &str)], file: &str) -> String {
    let text = loaded(flags, variables, file).unwrap_err().to_string();
    // The directory is another one each time.
    let mut words: Vec<&str> = text.split(' ').collect();
    for word in &mut words {
        if word.contains("test.toml") {
            *word = word.rsplit('/').next().unwrap();
        }
    }
    words.join(" ")
}

#[test]
fn flags_win_over_variables_and_these_over_the_file() {
    let file = "node-id = 1\naccount = \"111111111111\"\nlost-after = \"1s\"";
    let variables = [
        ("QUORATE_TEST_NODE_ID", "2"),
        ("QUORATE_TEST_ACCOUNT", "000000000002"),
        ("QUORATE_OTHER", "x"),
    ];
    let (config, _) = loaded(&[("node-id", "3")], &variables, file).unwrap();
    assert_eq!(
        (
            config.node_id,
            config.account.as_str(),
            config.lost_after.as_str()
        ),
        (3, "000000000002", "1s")
    );
}

#[test]
fn lists_may_be_texts_with_commas_or_toml_lists() {
    for file in [
        "nodes = \"a:1, b:2\"\nreserved-ports = \"1,2\"",
        "nodes = [\"a:1\", \"b:2\"]\nreserved-ports = [1, 2]",
    ] {
        let (config, _) = loaded(&[("attributes", "rack=r1,zone=z=2")], &[], file).unwrap();
        assert_eq!(
            (config.nodes, config.reserved_ports),
            (vec!["a:1".to_owned(), "b:2".to_owned()], vec![1, 2])
        );
        assert_eq!(config.attributes["zone"], "z=2");
    }
}

#[test]
fn the_log_is_the_affair_of_the_process() {
    let (_, log) = loaded(
        &[("log", "debug")],
        &[("QUORATE_TEST_LOG_FORMAT", "json")],
        "",
    )
    .unwrap();
    assert_eq!(
        log,
        LogSettings {
            log: Some("debug".to_owned()),
            log_format: LogFormat::Json
        }
    );
    let wrong = refusal(&[], &[("QUORATE_TEST_LOG_FORMAT", "yaml")], "");
    assert_eq!(
        wrong,
        "QUORATE_TEST_LOG_FORMAT: \"yaml\" is none of text, json"
    );
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_a_guess() {
    let in_file = refusal(&[], &[], "lost-afer = \"60s\"");
    assert_eq!(
        in_file,
        "there is no setting lost-afer in test.toml; did you mean lost-after?"
    );
    let in_variable = refusal(&[], &[("QUORATE_TEST_NODEID", "1")], "");
    assert_eq!(
        in_variable,
        "there is no setting QUORATE_TEST_NODEID; did you mean QUORATE_TEST_NODE_ID?"
    );
    assert_eq!(
        refusal(&[], &[], "colour = 1"),
        "there is no setting colour in test.toml"
    );
}

#[test]
fn a_bad_value_is_named_with_its_place() {
    let wrong = [
        (
            refusal(&[("node-id", "one")], &[], "node-id = 1"),
            "--node-id: ",
        ),
        (
            refusal(&[], &[("QUORATE_TEST_NODE_ID", "one")], "node-id = 1"),
            "QUORATE_TEST_NODE_ID: ",
        ),
        (
            refusal(&[], &[], "node-id = \"one\""),
            "node-id in test.toml: ",
        ),
        (
            refusal(&[("reserved-ports", "1,x")], &[], ""),
            "--reserved-port: ",
        ),
        (refusal(&[("attributes", "rack")], &[], ""), "--attribute: "),
    ];
    for (refusal, start) in wrong {
        assert!(refusal.starts_with(start), "{refusal}");
    }
}

#[test]
fn what_is_wrong_with_the_whole_is_said_of_a_key() {
    let object = |given| {
        load::<Config>(&ROLE, given, |_| {
            Err(("account", "must have twelve digits".to_owned()))
        })
        .unwrap_err()
    };
    let (set, _directory) = given(&[("account", "12")], &[], "");
    assert_eq!(
        object(set).to_string(),
        "--account: must have twelve digits"
    );
    let unset = object(Given::default()).to_string();
    assert!(
        unset.starts_with(
            "--account (or QUORATE_TEST_ACCOUNT, or account in the file of --config): must"
        ),
        "{unset}"
    );
}

#[test]
fn a_file_that_is_none_or_no_toml_is_named() {
    assert!(refusal(&[], &[], "node-id = ").contains("test.toml is not TOML"));
    let given = Given {
        file: Some(PathBuf::from("nowhere.toml")),
        ..Given::default()
    };
    let missing = load::<Config>(&ROLE, given, |_| Ok(())).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "read the configuration file nowhere.toml"
    );
}
