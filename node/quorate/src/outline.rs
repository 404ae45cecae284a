//! An answer of the API in full, for people: JSON without its punctuation, and without what is empty.

use std::fmt::Write as _;

use serde_json::Value;

/// A value as indented `name: value` lines.
pub(crate) fn outline(value: &Value) -> String {
    let mut out = String::new();
    outline_into(&mut out, value, 0);
    out
}

fn outline_into(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                outline_member(out, &format!("{name}:"), member, indent);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                outline_member(out, "-", element, indent);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// One line, or a head and what is under it; nothing for what is empty.
fn outline_member(out: &mut String, head: &str, member: &Value, indent: usize) {
    let written = match member {
        Value::Object(inner) if inner.is_empty() => Ok(()),
        Value::Array(inner) if inner.is_empty() => Ok(()),
        Value::Object(_) | Value::Array(_) => {
            let written = writeln!(out, "{:indent$}{head}", "");
            outline_into(out, member, indent + 2);
            written
        }
        Value::String(text) => writeln!(out, "{:indent$}{head} {text}", ""),
        plain => writeln!(out, "{:indent$}{head} {plain}", ""),
    };
    written.expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_inside_is_indented_and_what_is_empty_is_left_out() {
        let task = json!({
            "attachments": [], "containers": [{"name": "app", "networkBindings": [{"hostPort": 49153}]}],
            "lastStatus": "RUNNING", "overrides": {}, "version": 2,
        });
        let expected = "\
containers:
  -
    name: app
    networkBindings:
      -
        hostPort: 49153
lastStatus: RUNNING
version: 2
";
        assert_eq!(outline(&task), expected);
    }
}
