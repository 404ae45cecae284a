//! Health checks of containers: what is to be run, and how well a container is by it. Who runs it is each runtime's own affair.

use serde::{Deserialize, Serialize};

/// As much as is kept of what a check prints; Docker keeps the same.
pub(crate) const OUTPUT_MOST: usize = 4096;

/// What is to be run in a container, how often, and what its failures come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `CMD` and the words of a command, or `CMD-SHELL` and a line for the shell; never without either.
    pub command: Vec<String>,
    /// From the container's start to the first run, and from the end of one to the next.
    pub interval_s: u64,
    /// A run that takes longer has failed.
    pub timeout_s: u64,
    /// So many failures in a row make the container unhealthy.
    pub retries: u64,
    /// Failures so soon after the start do not count until the first success.
    pub start_period_s: u64,
}

impl HealthCheck {
    /// The words of the command, a shell's among them where one is asked for.
    pub(crate) fn words(&self) -> Vec<String> {
        let shell: &[&str] = match self.command.first().map(String::as_str) {
            Some("CMD-SHELL") => &["/bin/sh", "-c"],
            _ => &[],
        };
        let stated = self.command.iter().skip(1).cloned();
        shell
            .iter()
            .map(|word| (*word).to_owned())
            .chain(stated)
            .collect()
    }
}

/// How well a container is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// What the last run of the check printed, or why there was none. For people.
    pub output: String,
}

impl Health {
    /// With as much of the output as is kept.
    pub(crate) fn new(status: HealthStatus, output: &[u8]) -> Self {
        let kept = &output[..output.len().min(OUTPUT_MOST)];
        let output = String::from_utf8_lossy(kept).trim().to_owned();
        Self { status, output }
    }
}

/// How well a container is, in ECS's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthStatus {
    /// Not known yet.
    #[default]
    Unknown,
    /// The check passes.
    Healthy,
    /// It failed too often.
    Unhealthy,
}

impl HealthStatus {
    /// ECS's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Healthy => "HEALTHY",
            Self::Unhealthy => "UNHEALTHY",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_to_a_shell_and_words_do_not() {
        let words = |command: &[&str]| {
            let check = HealthCheck {
                command: command.iter().map(|word| (*word).to_owned()).collect(),
                interval_s: 1,
                timeout_s: 1,
                retries: 1,
                start_period_s: 0,
            };
            check.words()
        };
        assert_eq!(words(&["CMD", "test", "-e", "x"]), ["test", "-e", "x"]);
        assert_eq!(
            words(&["CMD-SHELL", "test -e x"]),
            ["/bin/sh", "-c", "test -e x"]
        );
    }

    #[test]
    fn of_a_long_output_the_beginning_is_kept() {
        let health = Health::new(HealthStatus::Healthy, &[b'x'; OUTPUT_MOST + 1]);
        assert_eq!(health.output.len(), OUTPUT_MOST);
        assert_eq!(
            Health::new(HealthStatus::Healthy, b"\xff a\n").output,
            "\u{fffd} a"
        );
    }
}
