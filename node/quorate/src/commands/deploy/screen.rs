//! How a deployment is shown while it goes on: as bars on a terminal, as a line for each change elsewhere, as lines of JSON.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::time::Duration;

use quorate_client::ClientError;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cause::Cause;
use super::watch::{Progress, Target, View};
use crate::failure::Failure;
use crate::render::{Format, print};

/// Events that stay below the bars.
const EVENTS_SHOWN: usize = 5;
/// Cells of a bar.
const BAR: u64 = 30;
/// Where a terminal does not say how wide it is.
const WIDTH_OTHERWISE: usize = 80;

/// How a watch ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Completed,
    Failed,
    TimedOut,
    Interrupted,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

/// Where the view goes.
pub(super) struct Screen {
    form: Form,
    began: Instant,
    /// The silence of the cluster has been told of.
    is_silent: bool,
}

enum Form {
    Terminal(Block),
    Lines,
    Json,
}

/// What stands on the terminal and is drawn over.
#[derive(Default)]
struct Block {
    lines: usize,
    newest: VecDeque<String>,
}

impl Screen {
    /// For standard output as it is; time counts from now.
    pub(super) fn of(format: Format) -> Self {
        let form = match format {
            Format::Json => Form::Json,
            Format::Table if stdout().is_terminal() => Form::Terminal(Block::default()),
            Format::Table => Form::Lines,
        };
        Self {
            form,
            began: Instant::now(),
            is_silent: false,
        }
    }

    /// The time since the command began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Says something once, outside of the view.
    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        let at = self.elapsed();
        match self.form {
            Form::Terminal(_) | Form::Lines => print(&line(at, text)),
            Form::Json => {
                let said = json!({"elapsedSeconds": seconds(at), "message": text});
                print(&format!("{said}\n"))
            }
        }
    }

    /// Shows a look.
    pub(super) fn show(&mut self, target: &Target, view: &View) -> Result<(), Failure> {
        self.is_silent = false;
        match &mut self.form {
            Form::Terminal(block) => {
                block.take(view);
                block.draw(target, view)
            }
            Form::Lines => print(&lines(view)),
            Form::Json => print(&json_lines(target, view)),
        }
    }

    /// Says, once, that nobody answers and that it goes on.
    pub(super) fn unheard(&mut self, error: &ClientError) -> Result<(), Failure> {
        if self.is_silent {
            return Ok(());
        }
        self.is_silent = true;
        let text = format!("no answer, asking again: {error}");
        let at = self.elapsed();
        match &mut self.form {
            Form::Terminal(block) => block.add(&line(at, &text)),
            Form::Lines | Form::Json => self.say(&text),
        }
    }

    /// Says how it ended. To people, the command's failure says why it is not there.
    pub(super) fn end(
        &self,
        outcome: Outcome,
        target: &Target,
        cause: Option<&Cause>,
    ) -> Result<(), Failure> {
        match (&self.form, outcome) {
            (Form::Json, _) => print(&json_end(self.elapsed(), outcome, cause)),
            (Form::Terminal(_) | Form::Lines, Outcome::Completed) => {
                let Target {
                    definition,
                    service,
                    ..
                } = target;
                self.say(&format!("{definition} is deployed to {service}"))
            }
            (
                Form::Terminal(_) | Form::Lines,
                Outcome::Failed | Outcome::TimedOut | Outcome::Interrupted,
            ) => Ok(()),
        }
    }
}

impl Block {
    fn take(&mut self, view: &View) {
        for event in news(view) {
            self.push(line(view.at, &event));
        }
    }

    fn push(&mut self, line: String) {
        self.newest.push_back(line);
        if self.newest.len() > EVENTS_SHOWN {
            self.newest.pop_front();
        }
    }

    /// Adds a line at once, below what stands.
    fn add(&mut self, line: &str) -> Result<(), Failure> {
        self.push(line.to_owned());
        self.lines += 1;
        print(&cut(line, width()))
    }

    /// Draws over what it drew before: up, and everything below away.
    fn draw(&mut self, target: &Target, view: &View) -> Result<(), Failure> {
        let text = self.text(target, view, width());
        let up = match self.lines {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r\x1b[J"),
        };
        self.lines = text.lines().count();
        print(&(up + &text))
    }

    fn text(&self, target: &Target, view: &View, width: usize) -> String {
        let Target {
            service,
            deployment,
            definition,
            ..
        } = target;
        let progress = &view.progress;
        let elapsed = view.at.as_secs();
        let mut lines = vec![
            format!("{service}: {deployment}, {definition}: {}", state(progress)),
            bar("running", Some(progress.running), progress.desired),
            bar("healthy", progress.healthy, progress.desired),
            format!(
                "{} pending, {} failed, {}:{:02} elapsed",
                progress.pending,
                progress.failed,
                elapsed / 60,
                elapsed % 60
            ),
        ];
        lines.extend(self.newest.iter().cloned());
        lines.iter().map(|line| cut(line, width)).collect()
    }
}

/// No longer than the terminal is wide: a line that wraps would be counted as one, and half of it would stay.
fn cut(line: &str, width: usize) -> String {
    line.trim_end().chars().take(width).collect::<String>() + "\n"
}

/// The columns of the terminal.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(stdout());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    if columns == 0 {
        WIDTH_OTHERWISE
    } else {
        columns
    }
}

/// `running [###...] 2/3`
fn bar(name: &str, of: Option<u64>, desired: u64) -> String {
    let Some(of) = of else {
        return format!("{name} unknown");
    };
    // Without anything to reach, it is reached.
    let cells = (of * BAR)
        .checked_div(desired)
        .map_or(BAR, |cells| cells.min(BAR));
    let bar: String = (0..BAR)
        .map(|cell| if cell < cells { '#' } else { '.' })
        .collect();
    format!("{name} [{bar}] {of}/{desired}")
}

fn state(progress: &Progress) -> String {
    match &progress.hook {
        Some(hook) => format!(
            "{}, waits at hook {hook} for ContinueServiceDeployment",
            progress.status
        ),
        None => progress.status.clone(),
    }
}

/// What people are told of a look beside the numbers.
fn news(view: &View) -> impl Iterator<Item = String> {
    let events = view.events.iter().cloned();
    events.chain(
        view.cause
            .iter()
            .map(|cause| format!("first failure: {}", cause.what)),
    )
}

/// A line for each change; none where nothing changed.
fn lines(view: &View) -> String {
    let mut lines = String::new();
    for event in news(view) {
        lines.push_str(&line(view.at, &event));
    }
    if view.is_news {
        let Progress {
            desired,
            running,
            pending,
            failed,
            ..
        } = view.progress;
        let mut text = format!("{}: running {running}/{desired}", state(&view.progress));
        if let Some(healthy) = view.progress.healthy {
            write!(text, ", healthy {healthy}/{desired}").expect("writing to a String cannot fail");
        }
        write!(text, ", pending {pending}, failed {failed}")
            .expect("writing to a String cannot fail");
        lines.push_str(&line(view.at, &text));
    }
    lines
}

fn line(at: Duration, text: &str) -> String {
    format!("{:>7.1}s  {text}\n", at.as_secs_f64())
}

/// An object for each look that brought a change, with the API's own names where it has them.
fn json_lines(target: &Target, view: &View) -> String {
    if !view.is_news && view.events.is_empty() && view.cause.is_none() {
        return String::new();
    }
    let progress = &view.progress;
    let mut shown = json!({
        "elapsedSeconds": seconds(view.at),
        "serviceDeploymentArn": target.arn,
        "status": progress.status,
        "desiredCount": progress.desired,
        "runningCount": progress.running,
        "pendingCount": progress.pending,
        "failedTasks": progress.failed,
        "events": view.events,
    });
    if let Some(healthy) = progress.healthy {
        shown["healthyCount"] = json!(healthy);
    }
    if let Some(hook) = &progress.hook {
        shown["hookId"] = json!(hook);
    }
    if let Some(cause) = &view.cause {
        shown["cause"] = json!(cause.what);
    }
    format!("{shown}\n")
}

/// The last object.
fn json_end(at: Duration, outcome: Outcome, cause: Option<&Cause>) -> String {
    let mut end = json!({"elapsedSeconds": seconds(at), "outcome": outcome.name()});
    if let Some(cause) = cause {
        end["cause"] = json!(cause.what);
        if !cause.printed.is_empty() {
            end["lastOutput"] = json!(cause.printed);
        }
    }
    format!("{end}\n")
}

/// To the tenth of a second.
fn seconds(at: Duration) -> Value {
    json!((at.as_secs_f64() * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            cluster: "default".to_owned(),
            service: "web".to_owned(),
            deployment: "ecs-svc/7".to_owned(),
            arn: "arn:x/7".to_owned(),
            definition: "web:4".to_owned(),
            has_health_check: false,
        }
    }

    fn view() -> View {
        View {
            at: Duration::from_millis(62_340),
            progress: Progress {
                status: "IN_PROGRESS".to_owned(),
                desired: 3,
                running: 2,
                pending: 1,
                healthy: Some(1),
                failed: 0,
                hook: None,
            },
            is_news: true,
            events: vec!["(service web) has started 1 tasks: (task 0123).".to_owned()],
            cause: None,
            verdict: None,
        }
    }

    #[test]
    fn elsewhere_each_change_is_a_line() {
        let expected = "   62.3s  (service web) has started 1 tasks: (task 0123).
   62.3s  IN_PROGRESS: running 2/3, healthy 1/3, pending 1, failed 0
";
        assert_eq!(lines(&view()), expected);
        let quiet = View {
            is_news: false,
            events: Vec::new(),
            ..view()
        };
        assert_eq!(lines(&quiet), "");
        assert_eq!(json_lines(&target(), &quiet), "");
    }

    #[test]
    fn a_terminal_has_bars_and_no_line_that_wraps() {
        let mut block = Block::default();
        block.take(&view());
        let expected = "\
web: ecs-svc/7, web:4: IN_PROGRESS
running [####################..........] 2/3
healthy [##########....................] 1/3
1 pending, 0 failed, 1:02 elapsed
   62.3s  (service web) has started 1 tasks: (task
";
        assert_eq!(block.text(&target(), &view(), 50), expected);
        assert_eq!(
            bar("running", Some(0), 0),
            format!("running [{}] 0/0", "#".repeat(30))
        );
        for _ in 0..10 {
            block.take(&view());
        }
        assert_eq!(
            block.text(&target(), &view(), 80).lines().count(),
            4 + EVENTS_SHOWN
        );
    }

    #[test]
    fn json_has_the_names_of_the_api() {
        let cause = Cause {
            what: "task 0123: it broke".to_owned(),
            look: None,
            task: None,
            printed: vec!["app | no such file".to_owned()],
        };
        let end = json_end(Duration::from_secs(9), Outcome::Failed, Some(&cause));
        let end: Value = serde_json::from_str(&end).unwrap_or_default();
        let expected = json!({
            "elapsedSeconds": 9.0, "outcome": "FAILED", "cause": "task 0123: it broke", "lastOutput": ["app | no such file"],
        });
        assert_eq!(end, expected);
        let mut view = view();
        view.cause = Some(cause);
        view.progress.hook = Some("h-1".to_owned());
        let shown: Value = serde_json::from_str(&json_lines(&target(), &view)).unwrap_or_default();
        let expected = json!({
            "elapsedSeconds": 62.3, "serviceDeploymentArn": "arn:x/7", "status": "IN_PROGRESS", "desiredCount": 3, "runningCount": 2,
            "pendingCount": 1, "healthyCount": 1, "failedTasks": 0, "hookId": "h-1", "cause": "task 0123: it broke",
            "events": ["(service web) has started 1 tasks: (task 0123)."],
        });
        assert_eq!(shown, expected);
    }
}
