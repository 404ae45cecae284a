//! Runs one script and writes down what came of it.
//!
//! The steps, each on one line at the left margin; `#` begins a comment:
//!
//! ```text
//! at MS apply COMMAND            one entry of one command (serde's JSON; `fill` adds what a script leaves out)
//! at MS apply [COMMAND, ...]     one entry of several
//! at MS apply request N COMMAND  the same, as request N; otherwise each has a request of its own
//! at MS duties office=MS iN=MS   what a leader owes at that time, that long in office, having heard of iN that long ago
//! place COUNT KEY=VALUE ...      cluster, group, cpu, memory, gpus, ports (`tcp/80`; port 0 is any), attributes, distinct=yes, seed,
//!                                provider, strategies (`spread:instanceId`, `binpack:cpu`, `random`); last `where EXPRESSION` (memberOf)
//! place on iN KEY=VALUE ...      the same, on one instance
//! place why KEY=VALUE ...        the same: why the next goes where it goes
//! at MS lead office=MS iN=MS     the same, done, until nothing is owed
//! at MS report VERB tN ...       agents see tasks `running`, `failed` (before they ran), `ended` (after) or `stopped` (as told);
//!                                `all VERB` means all whom it may concern
//! at MS plan COMMAND             what would come of a change, or of `[COMMAND, ...]`
//! why tN                         why a task is where it is; `why tN now`: as if nobody remembered; `why service NAME`: of its next task
//! show KIND ID                   a row: task, instance, cluster, definition, family, token, node, service, rollout, events, provider,
//!                                waiting (a task), queue (a cluster's); or `show tasks`
//! ```
//!
//! Ids are short: `t1` is a task, `i1` an instance, `s1` a session, `d1` a store (disk), `c1` a container.

pub(crate) mod fill;
pub(crate) mod seen;
mod show;
mod step;
mod tell;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quorate_core::command::TaskObserved;
use quorate_core::ids::{ClusterName, InstanceId, RequestId};
use quorate_core::placement::{
    Constraint, Need, Pool, Refusal, RuleError, Rules, Strategy, place_on, why,
};
use quorate_core::state::{DesiredStatus, StopCode, Task, TaskStatus};
use quorate_core::{
    Change, Command, Entry, Heard, Item, Millis, Mint, Outcome, Policy, Problem, State, apply,
    duties, forecast, place, snapshot,
};
use serde_json::Value;

use seen::Seen;
use words::{Words, long, port_spec, short};

/// Ids that duties mint in a script start here.
const MINTED: u64 = 100;

/// Requests that a script does not number start here.
const OWN_REQUESTS: u128 = 1_000_000;

/// The script's text with what its steps really come to.
pub(crate) fn run(name: &str, text: &str, seen: &mut Seen) -> String {
    let mut stage = Stage {
        state: State::default(),
        requests: OWN_REQUESTS,
        mint: Mint::counting(MINTED),
        out: String::new(),
        decided: Vec::new(),
    };
    for (number, line) in text.lines().enumerate() {
        if line.starts_with(' ') {
            continue;
        }
        stage.out.push_str(line);
        stage.out.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{name}:{}", number + 1);
        stage.step(line, seen, &place);
        stage.check(&place);
    }
    stage.out
}

struct Stage {
    state: State,
    requests: u128,
    mint: Mint,
    out: String,
    decided: Vec<tell::Decided>,
}

impl Stage {
    fn step(&mut self, line: &str, seen: &mut Seen, place: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "at" => {
                let (at, rest) = rest
                    .split_once(' ')
                    .unwrap_or_else(|| panic!("{place}: at MS what?"));
                let at = Millis(
                    at.parse()
                        .unwrap_or_else(|_| panic!("{place}: {at} is no time")),
                );
                match rest.split_once(' ').unwrap_or((rest, "")) {
                    ("apply", what) => self.apply(at, what, seen, place),
                    ("duties", what) => self.duties(at, what),
                    ("lead", what) => self.lead(at, what, seen),
                    ("report", what) => self.report(at, what),
                    ("plan", what) => self.plan(at, what, place),
                    _ => panic!("{place}: at MS apply | duties | lead | report | plan ..."),
                }
            }
            "place" => self.place(rest, seen),
            "why" => {
                for line in tell::why(&self.state, &self.decided, rest) {
                    self.say(&line);
                }
            }
            "show" => {
                let shown = show::show(&self.state, rest);
                self.say(&shown);
            }
            other => panic!("{place}: {other} is no step"),
        }
    }

    fn apply(&mut self, at: Millis, what: &str, seen: &mut Seen, place: &str) {
        let (request, json) = match what
            .strip_prefix("request ")
            .and_then(|rest| rest.split_once(' '))
        {
            Some((number, json)) => (Some(number.parse().expect("a request is a number")), json),
            None => (None, what),
        };
        let items = commands(json, place).into_iter().map(|command| {
            self.requests += 1;
            Item {
                request: RequestId::from_u128(request.unwrap_or(self.requests)),
                command,
            }
        });
        let entry = Entry {
            at,
            items: items.collect(),
        };
        let index = self.state.applied_index() + 1;
        self.decided
            .push((index, self.state.clone(), entry.clone()));
        let applied = apply(&mut self.state, index, &entry);
        for (item, outcome) in entry.items.iter().zip(&applied.outcomes) {
            seen.outcome(&item.command, outcome);
            let line = match outcome {
                Ok(reply) => format!("ok {}", short(reply)),
                Err(rejection) => format!("rejected {}", short(rejection)),
            };
            self.say(&line);
        }
        if !applied.changes.is_empty() {
            let changes: Vec<String> = applied.changes.iter().map(change).collect();
            self.say(&format!("changed {}", changes.join(", ")));
        }
    }

    fn duties(&mut self, now: Millis, what: &str) {
        let owed = self.owed(now, what);
        if owed.is_empty() {
            self.say("nothing");
        }
        for command in &owed {
            self.say(&format!("owed {}", short::<Command>(command)));
        }
    }

    fn owed(&mut self, now: Millis, what: &str) -> Vec<Command> {
        let words = Words::parse(what);
        let instance = |(name, silent): (&str, &str)| -> Option<(InstanceId, u64)> {
            Some((
                words::instance(name)?,
                silent.parse().expect("silence in ms"),
            ))
        };
        let silent_ms: BTreeMap<_, _> = words.pairs().filter_map(instance).collect();
        let heard = Heard {
            office_ms: words.number("office", 0),
            silent_ms,
        };
        duties(&self.state, &heard, &Policy::default(), now, &mut self.mint)
    }

    /// Does what is owed until nothing is.
    fn lead(&mut self, now: Millis, what: &str, seen: &mut Seen) {
        for round in 0.. {
            assert!(round < 20, "duties come to no end at {now}");
            let owed = self.owed(now, what);
            if owed.is_empty() {
                if round == 0 {
                    self.say("nothing");
                }
                return;
            }
            for command in owed {
                let said = step::of(&command);
                let outcome = self.apply_one(now, command, seen);
                assert_eq!(outcome.err(), None, "a duty is refused");
                self.say(&said);
            }
        }
    }

    fn apply_one(&mut self, at: Millis, command: Command, seen: &mut Seen) -> Outcome {
        self.requests += 1;
        let item = Item {
            request: RequestId::from_u128(self.requests),
            command,
        };
        let entry = Entry {
            at,
            items: vec![item],
        };
        let index = self.state.applied_index() + 1;
        self.decided
            .push((index, self.state.clone(), entry.clone()));
        let outcome = apply(&mut self.state, index, &entry).outcomes.remove(0);
        seen.outcome(&entry.items[0].command, &outcome);
        outcome
    }

    /// `running t1 t2`, `failed t1` (it never ran), `ended t1`, or `all running`: what agents see of the tasks that are not so yet.
    fn report(&mut self, at: Millis, what: &str) {
        let mut words = what.split(' ');
        let (mut verb, mut named) = (words.next().unwrap_or(""), Vec::new());
        if verb == "all" {
            verb = words.next().unwrap_or("");
            named.extend(self.state.tasks().map(|task| task.id));
        }
        named.extend(words.filter_map(words::task));
        for id in named {
            let task = self.state.task(&id).expect("a task that exists");
            let wants_stop = task.desired == DesiredStatus::Stopped;
            let is_done = match verb {
                "running" => task.last >= TaskStatus::Running || wants_stop,
                "stopped" => task.last == TaskStatus::Stopped || !wants_stop,
                _ => task.last == TaskStatus::Stopped,
            };
            if is_done {
                continue;
            }
            let command = observed(&self.state, task, verb);
            let mut quiet = Seen::default();
            let outcome = self.apply_one(at, command, &mut quiet);
            assert_eq!(outcome.err(), None, "a report is refused");
        }
    }

    /// The ids of what is only thought of are the next that would be minted.
    fn plan(&mut self, now: Millis, what: &str, place: &str) {
        let (cluster, policy) = (ClusterName::default_cluster(), Policy::default());
        let (change, mut mint) = (commands(what, place), self.mint.clone());
        let told = forecast(&self.state, &cluster, &change, &policy, now, &mut mint);
        let lines = told.map_or_else(
            |why| vec![format!("rejected {}", short(&why))],
            |come| tell::of_forecast(&come),
        );
        for line in lines {
            self.say(&line);
        }
    }

    fn place(&mut self, what: &str, seen: &mut Seen) {
        let (what, expression) = what.split_once(" where ").unwrap_or((what, ""));
        let words = Words::parse(what);
        let rules = match rules(&words, expression) {
            Ok(rules) => match words.text("provider", "").parse() {
                Ok(name) => rules.within(Pool::of(&self.state, &name).expect("a provider")),
                Err(_) => rules,
            },
            Err(error) => return self.say(&format!("invalid {error}")),
        };
        let need = Need {
            cpu_units: words.number("cpu", 100),
            memory_mib: words.number("memory", 100),
            gpus: words.number("gpus", 0),
            ports: words.list("ports").map(port_spec).collect(),
            attributes: words.list("attributes").map(str::to_owned).collect(),
        };
        let cluster = words
            .text("cluster", "default")
            .parse()
            .expect("a cluster's name");
        let mut problem = Problem {
            state: &self.state,
            cluster: &cluster,
            need: &need,
            group: words.text("group", "family:web"),
            rules: &rules,
            seed: words.number("seed", 0),
            count: 1,
        };
        let mut lines = Vec::new();
        let mut refuse = |who: &InstanceId, why: &Refusal| {
            seen.refusal(why);
            format!("refused {} {why:?} ({why})", short(who))
        };
        if let Some(on) = what.strip_prefix("on ") {
            let id = on
                .split(' ')
                .next()
                .and_then(words::instance)
                .expect("place on iN");
            let instance = self.state.instance(&id).expect("an instance that exists");
            lines.push(match place_on(&problem, instance) {
                Ok(placed) => placement(&placed),
                Err(why) => refuse(&id, &why),
            });
        } else if what.starts_with("why") {
            lines = tell::explanation(&why(&problem));
        } else {
            problem.count = what
                .split(' ')
                .next()
                .and_then(|n| n.parse().ok())
                .expect("place COUNT");
            let plan = place(&problem);
            lines.extend(plan.placed.iter().map(placement));
            lines.extend(
                plan.refused
                    .iter()
                    .map(|one| refuse(&one.instance, &one.why)),
            );
        }
        for line in lines {
            self.say(&line);
        }
    }

    fn say(&mut self, lines: &str) {
        for line in lines.lines() {
            writeln!(self.out, "  {line}").expect("writing to memory");
        }
    }

    fn check(&self, place: &str) {
        assert_eq!(self.state.check(), [], "{place}");
        let mut bytes = Vec::new();
        snapshot::write(&self.state, &mut bytes).expect("writing to memory");
        let read = snapshot::read(&mut bytes.as_slice())
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(
            read == self.state,
            "{place}: a snapshot reads back as another state"
        );
        assert_eq!(read.digest(), self.state.digest(), "{place}");
    }
}

/// One command or several, with everything they need.
fn commands(json: &str, place: &str) -> Vec<Command> {
    let value: Value =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{place}: {error}"));
    let commands = match value {
        Value::Array(commands) => commands,
        one => vec![one],
    };
    let read = |command| serde_json::from_value(long(fill::command(command)));
    commands
        .into_iter()
        .map(|command| read(command).unwrap_or_else(|error| panic!("{place}: {error}")))
        .collect()
}

fn rules(words: &Words<'_>, expression: &str) -> Result<Rules, RuleError> {
    let strategy = |text: &str| {
        let (kind, field) = text.split_once(':').unwrap_or((text, ""));
        Strategy::parse(kind, field)
    };
    let mut constraints = Vec::new();
    if words.text("distinct", "no") == "yes" {
        constraints.push(Constraint::parse("distinctInstance", "")?);
    }
    if !expression.is_empty() {
        constraints.push(Constraint::parse("memberOf", expression)?);
    }
    Ok(Rules {
        constraints,
        strategies: words
            .list("strategies")
            .map(strategy)
            .collect::<Result<_, _>>()?,
    })
}

fn observed(state: &State, task: &Task, verb: &str) -> Command {
    let instance = state.instance(&task.instance).expect("a task's instance");
    let (status, stop_code) = match verb {
        "running" => (TaskStatus::Running, None),
        "failed" => (TaskStatus::Stopped, Some(StopCode::TaskFailedToStart)),
        "ended" | "stopped" => (
            TaskStatus::Stopped,
            Some(StopCode::EssentialContainerExited),
        ),
        other => panic!("report {other}?"),
    };
    Command::Observe {
        instance: task.instance,
        session: instance.session,
        tasks: vec![TaskObserved {
            task: task.id,
            status,
            containers: Vec::new(),
            pull_started_at: None,
            pull_stopped_at: None,
            execution_stopped_at: None,
            stop_code,
            reason: String::new(),
        }],
    }
}

fn placement(placed: &quorate_core::placement::Placement) -> String {
    let ports: Vec<String> = placed.ports.iter().map(words::port).collect();
    format!("placed {} {}", short(&placed.instance), ports.join(","))
        .trim_end()
        .to_owned()
}

fn change(change: &Change) -> String {
    match change {
        Change::Cluster(name) => format!("cluster {name}"),
        Change::Definition(id) => format!("definition {id}"),
        Change::Task { task, instance } => format!("task {} on {}", short(task), short(instance)),
        Change::Instance(id) => format!("instance {}", short(id)),
        Change::Node(id) => format!("node {id}"),
        Change::Service(key) => format!("service {key}"),
        Change::Provider(name) => format!("provider {name}"),
        Change::Waiting(task) => format!("waiting {}", short(task)),
    }
}
