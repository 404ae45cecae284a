//! A container's health check as ECS defines it: what to run, how often, and how many failures in a row mean that the container is unhealthy.
//!
//! Source of ranges and defaults: ECS, HealthCheck of a container definition. Agents carry it out.

use serde::{Deserialize, Serialize};

/// ECS's ranges, seconds and tries; each with what holds where nothing is said.
const INTERVAL: Range = Range::new("interval", 5, 300, 30);
const TIMEOUT: Range = Range::new("timeout", 2, 60, 5);
const RETRIES: Range = Range::new("retries", 1, 10, 3);
const START_PERIOD: Range = Range::new("startPeriod", 0, 300, 0);

/// A check that a container's definition asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `CMD` and the words of a command, or `CMD-SHELL` and a line for the container's shell.
    pub command: Vec<String>,
    /// From the end of one run to the next; also from the container's start to the first.
    pub interval_s: u64,
    /// A run that takes longer has failed.
    pub timeout_s: u64,
    /// So many failures in a row make a container unhealthy.
    pub retries: u64,
    /// Failures so soon after the start do not count, until the first success; 0 = they all count.
    pub start_period_s: u64,
}

/// The member of a container definition.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawHealthCheck {
    #[serde(default)]
    command: Vec<String>,
    interval: Option<i64>,
    timeout: Option<i64>,
    retries: Option<i64>,
    start_period: Option<i64>,
}

impl RawHealthCheck {
    /// The check, or what ECS would not take about it.
    pub(super) fn into_check(self) -> Result<HealthCheck, String> {
        let is_known = matches!(
            self.command.first().map(String::as_str),
            Some("CMD" | "CMD-SHELL")
        );
        if !is_known {
            return Err("The health check command must start with CMD or CMD-SHELL.".into());
        }
        // The engine would be handed nothing to run, and the container would stay UNKNOWN for ever.
        if self.command[1..].iter().all(|word| word.trim().is_empty()) {
            return Err("The health check command must not be empty.".into());
        }
        Ok(HealthCheck {
            command: self.command,
            interval_s: INTERVAL.take(self.interval)?,
            timeout_s: TIMEOUT.take(self.timeout)?,
            retries: RETRIES.take(self.retries)?,
            start_period_s: START_PERIOD.take(self.start_period)?,
        })
    }
}

struct Range {
    member: &'static str,
    least: u64,
    most: u64,
    otherwise: u64,
}

impl Range {
    const fn new(member: &'static str, least: u64, most: u64, otherwise: u64) -> Self {
        Self {
            member,
            least,
            most,
            otherwise,
        }
    }

    fn take(&self, given: Option<i64>) -> Result<u64, String> {
        let Some(given) = given else {
            return Ok(self.otherwise);
        };
        let taken = u64::try_from(given).ok();
        taken
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| {
                format!(
                    "The health check {} must be between {} and {}.",
                    self.member, self.least, self.most
                )
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(json: &str) -> Result<HealthCheck, String> {
        serde_json::from_str::<RawHealthCheck>(json)
            .unwrap()
            .into_check()
    }

    #[test]
    fn what_is_left_out_is_as_ecs_has_it() {
        let check = parse(r#"{"command":["CMD-SHELL","exit 0"]}"#).unwrap();
        let numbers = (
            check.interval_s,
            check.timeout_s,
            check.retries,
            check.start_period_s,
        );
        assert_eq!(numbers, (30, 5, 3, 0));
        assert_eq!(check.command, ["CMD-SHELL", "exit 0"]);
    }

    #[test]
    fn numbers_stay_in_their_ranges() {
        let ranges = [
            ("interval", 5, 300),
            ("timeout", 2, 60),
            ("retries", 1, 10),
            ("startPeriod", 0, 300),
        ];
        let with = |member: &str, number: i64| {
            parse(&format!(
                r#"{{"command":["CMD","true"],"{member}":{number}}}"#
            ))
        };
        for (member, least, most) in ranges {
            assert!(with(member, least).is_ok() && with(member, most).is_ok());
            for wrong in [least - 1, most + 1, i64::MIN, i64::MAX] {
                let text = with(member, wrong).unwrap_err();
                assert_eq!(
                    text,
                    format!("The health check {member} must be between {least} and {most}.")
                );
            }
        }
    }

    #[test]
    fn a_command_says_how_it_is_run() {
        for without in [
            r#"[]"#,
            r#"["curl","-f","http://localhost/"]"#,
            r#"["NONE"]"#,
        ] {
            let text = parse(&format!(r#"{{"command":{without}}}"#)).unwrap_err();
            assert_eq!(
                text,
                "The health check command must start with CMD or CMD-SHELL."
            );
        }
        for nothing in [r#"["CMD"]"#, r#"["CMD-SHELL",""]"#] {
            let text = parse(&format!(r#"{{"command":{nothing}}}"#)).unwrap_err();
            assert_eq!(text, "The health check command must not be empty.");
        }
    }
}
