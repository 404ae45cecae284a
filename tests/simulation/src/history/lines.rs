//! A history as text: one event a line, in JSON, in the order in which things happened.

use std::io::{self, BufRead, Write};

use super::Event;

/// A text that is no history.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Reading failed.
    #[error("read history")]
    Io(#[from] io::Error),
    /// A line is no event.
    #[error("line {line} of the history is no event")]
    Line {
        /// Which, counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// Writes `events`, one a line.
///
/// # Errors
/// Those of `to`.
pub fn write(events: &[Event], to: &mut impl Write) -> io::Result<()> {
    for event in events {
        serde_json::to_writer(&mut *to, event)?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// If reading fails, or a line is no event.
pub fn read(from: impl BufRead) -> Result<Vec<Event>, HistoryError> {
    let mut events = Vec::new();
    for (number, line) in from.lines().enumerate() {
        let event = serde_json::from_str(&line?).map_err(|source| HistoryError::Line {
            line: number + 1,
            source,
        })?;
        events.push(event);
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use quorate_core::ids::NodeId;
    use serde_json::json;

    use super::super::{ContainerNow, What};
    use super::*;

    #[test]
    fn every_kind_of_event_comes_back_as_it_was() {
        let node = NodeId(2);
        let ended = What::Container {
            host: 0,
            id: "r7".into(),
            instance: "mi-00000000000000001".into(),
            task: "00000000000000000000000000000007".into(),
            name: "main".into(),
            fencing: 12,
            now: ContainerNow::Ended { code: Some(137) },
        };
        let invoke = What::Invoke {
            call: 1,
            client: 0,
            node,
            operation: "RunTask".into(),
            intent: "w1".into(),
            body: json!({ "count": 2 }),
        };
        let returned = What::Return {
            call: 1,
            status: 200,
            body: json!({ "tasks": [] }),
        };
        let kinds = [
            invoke,
            returned,
            What::Unknown { call: 2 },
            ended,
            What::Cloned { host: 1, of: 0 },
            What::NodeUp { node },
            What::NodeDown { node },
            What::AgentUp { host: 0 },
            What::AgentDown { host: 0 },
            What::Healed,
        ];
        let events: Vec<Event> = (1..)
            .zip(kinds)
            .map(|(at_us, what)| Event { at_us, what })
            .collect();
        let mut text = Vec::new();
        write(&events, &mut text).unwrap();
        assert_eq!(text.split(|byte| *byte == b'\n').count(), events.len() + 1);
        assert_eq!(read(text.as_slice()).unwrap(), events);
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        let text = b"{\"at_us\":1,\"event\":\"healed\"}\n{\"at_us\":2}\n";
        let error = read(text.as_slice()).unwrap_err();
        assert!(matches!(error, HistoryError::Line { line: 2, .. }));
    }
}
