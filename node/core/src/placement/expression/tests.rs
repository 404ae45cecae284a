#![allow(clippy::unwrap_used)]
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
