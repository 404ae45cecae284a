//! The language's errors, and that no text is too strange for the parser. What expressions mean is shown by golden scripts and properties.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn errors_say_where() {
    let of = |text: &str| {
        let error = Expression::parse(text).unwrap_err();
        (error.position, error.to_string())
    };
    assert_eq!(
        of("attribute:a == b andd agentConnected == true").1,
        "Invalid expression at character 18: \"and\", \"or\" or the end was expected."
    );
    assert_eq!(of("").0, 1);
    assert_eq!(of("attribute:a ==").0, 15);
    assert_eq!(of("attribute:a = b").0, 13);
    assert_eq!(of("agentVersion =~ \"(\"").0, 17);
    assert_eq!(of("attribute:a > 3").0, 13);
    assert_eq!(of("runningTasksCount == many").0, 22);
    assert_eq!(of("agentConnected == maybe").0, 19);
    assert_eq!(of("registeredAt > yesterday").0, 16);
    assert_eq!(of("(attribute:a == b").0, 18);
    assert_eq!(of("attribute:a in [b, c").0, 21);
    assert_eq!(of("attribute:a in b").0, 16);
    assert_eq!(of("attribute:a == 'b").0, 17);
    assert_eq!(of("attribute: == b").0, 1);
    assert_eq!(of("ätt == b").0, 1);
    assert_eq!(of("attribute:a == ä and ü").0, 22);
    assert_eq!(of(&"x".repeat(2001)).0, 2001);
    assert_eq!(of(&"(".repeat(2000)).0, 65);
    assert!(of("not not not").1.contains("a subject was expected"));
}

#[test]
fn what_is_written_is_what_is_shown() {
    let text =
        "attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d";
    assert_eq!(Expression::parse(text).unwrap().to_string(), text);
}

#[test]
fn a_pattern_stays_in_its_own_bounds() {
    for pattern in [
        "a)|(?:b",
        "a)(b",
        "(?x)a #",
        "(a",
        "x{1000}{1000}",
        "(?=a)b",
    ] {
        let text = format!("attribute:a =~ '{pattern}'");
        let error = Expression::parse(&text).map(|_| ()).unwrap_err();
        assert_eq!(error.position, 16, "{pattern}: {error}");
    }
}

/// Texts of pieces that the language knows, in any order, with strange ones among them.
fn texts() -> impl Strategy<Value = String> {
    let pieces = [
        "attribute:",
        "a",
        "agentVersion",
        "registeredAt",
        "task:group",
        "==",
        "!",
        "=~",
        "!~",
        ">=",
        "in",
        "not_in",
        "exists",
        "not",
        "and",
        "&&",
        "or",
        "||",
        "(",
        ")",
        "[",
        "]",
        ",",
        "'",
        "\"",
        "\\",
        "1.2",
        "2018-06-18T22:28:28Z",
        "true",
        " ",
        "ä",
        "\u{0}",
    ];
    let piece = prop_oneof![9 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => ".{0,3}"];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_parses_or_says_where_it_does_not(text in texts()) {
        match Expression::parse(&text) {
            Ok(expression) => prop_assert_eq!(expression.to_string(), text),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.position)),
        }
    }
}
