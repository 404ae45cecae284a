//! What commands print: tables without borders, or the API's own JSON.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::failure::Failure;

/// The form of a command's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// The ECS API's own names, as `aws ecs` prints them.
    Json,
}

/// Rows under upper-case heads, in columns two spaces apart.
pub(crate) fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    // Never wrapped: a row is a line, so that `grep` and `awk` work on it.
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads.iter().map(Cell::new));
    for row in rows {
        table.add_row(row.into_iter().map(|text| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// Prints a value in the form asked for; `as_table` makes the other one.
pub(crate) fn show(
    format: Format,
    value: &Value,
    as_table: impl FnOnce(&Value) -> String,
) -> Result<(), Failure> {
    match format {
        Format::Table => print(&as_table(value)),
        Format::Json => print(&format!("{value:#}\n")),
    }
}

/// Writes to standard output. That nobody reads it any more (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The text at a JSON pointer: strings as they are, numbers and truths printed, anything else empty.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Number(_) | Value::Bool(_))) => other.to_string(),
        _ => String::new(),
    }
}

/// The last part of an ARN (an id, a name, `family:revision`), or the text itself.
pub(crate) fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The elements of the list at a JSON pointer; none if there is no list.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_heads_and_no_borders() {
        let rows = [
            vec!["n1".to_owned(), "LEADER".to_owned()],
            vec!["node-two".to_owned(), String::new()],
        ];
        assert_eq!(
            table(&["NODE", "ROLE"], rows),
            "NODE      ROLE\nn1        LEADER\nnode-two  -\n"
        );
        assert_eq!(table(&["NODE", "ROLE"], []), "NODE  ROLE\n");
    }

    #[test]
    fn a_long_row_stays_on_its_line() {
        let arn = "arn:aws:ecs:us-east-1:000000000000:task/default/".repeat(5);
        assert_eq!(
            table(&["A", "B"], [vec![arn, "x".to_owned()]])
                .lines()
                .count(),
            2
        );
    }

    #[test]
    fn values_become_texts() {
        let value = json!({"a": [{"b": "arn:x/y", "c": 3, "d": true, "e": null}]});
        let texts = ["/a/0/b", "/a/0/c", "/a/0/d", "/a/0/e", "/nothing"]
            .map(|pointer| text(&value, pointer));
        assert_eq!(texts, ["arn:x/y", "3", "true", "", ""]);
        assert_eq!(short(&texts[0]), "y");
        assert_eq!(list(&value, "/a").len(), 1);
        assert!(list(&value, "/a/0/c").is_empty());
    }
}
