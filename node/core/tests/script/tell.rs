//! What is told of decisions, and of changes that are only thought of.

use quorate_core::explain::Chooser;
use quorate_core::ids::ServiceKey;
use quorate_core::placement::{Row, Why};
use quorate_core::{Entry, Explained, Forecast, State, explain};

use super::words::{self, readable, short};

/// An entry that started tasks: its index and the state that it found.
pub(crate) type Decided = (u64, State, Entry);

/// `tN`, `tN now` (as if its decision were forgotten), or `service NAME`.
pub(crate) fn why(state: &State, decided: &[Decided], what: &str) -> Vec<String> {
    let told = match what.split_once(' ') {
        Some(("service", name)) => explain::next(state, &key(name)),
        Some((task, "now")) => {
            let id = words::task(task).expect("why tN now");
            explain::again(state, state.task(&id).expect("a task that exists"))
        }
        _ => {
            let id = words::task(what).expect("why tN");
            let index = state.task(&id).expect("a task that exists").assigned_index;
            let kept = decided.iter().find(|(at, _, _)| *at == index);
            kept.and_then(|(at, before, entry)| explain::decided(before, *at, entry, &id))
        }
    };
    told.map_or(vec!["not known".to_owned()], |told| of_explained(&told))
}

fn key(name: &str) -> ServiceKey {
    ServiceKey {
        cluster: "default".parse().expect("a cluster's name"),
        name: name.parse().expect("a service's name"),
    }
}

fn of_explained(told: &Explained) -> Vec<String> {
    let rules = &told.rules;
    let constraints = rules.constraints.iter().map(ToString::to_string);
    let strategies = rules.strategies.iter().map(ToString::to_string);
    let rules: Vec<String> = constraints.chain(strategies).collect();
    let by = match told.chooser {
        Chooser::Placement => "by placement",
        Chooser::Caller => "by the caller",
        Chooser::Daemon => "as a daemon",
        Chooser::Unknown => "not known how",
    };
    let head = format!("{} {by} {}", told.definition, rules.join(", "));
    let mut lines = vec![head.trim_end().to_owned()];
    lines.extend(explanation(&told.why));
    lines
}

/// Scores as they are compared: by strategy, tasks of the group, memory and CPU left.
pub(crate) fn explanation(why: &Why) -> Vec<String> {
    let row = |row: &Row| match &row.verdict {
        Err(refusal) => format!("{} {refusal}", short(&row.instance)),
        Ok(score) => format!(
            "{} {:?} group={} memory={} cpu={}",
            short(&row.instance),
            score.by_strategy,
            score.same_group,
            score.memory_mib_free_after.0,
            score.cpu_units_free_after.0
        ),
    };
    let winner = why.winner.map(|winner| {
        let over = winner.over.map_or("none".to_owned(), |over| short(&over));
        format!(
            "chosen {} by {:?} over {over}",
            short(&winner.instance),
            winner.by
        )
    });
    why.rows.iter().map(row).chain(winner).collect()
}

pub(crate) fn of_forecast(come: &Forecast) -> Vec<String> {
    let moves = come.moves.iter().map(|one| {
        let service = one.service.as_ref().map(|key| key.name.as_str());
        format!(
            "after {} {} {} {} on {}",
            one.after_ms,
            service.unwrap_or("-"),
            one.what.as_str(),
            short(&one.task),
            short(&one.instance)
        )
    });
    let mut lines: Vec<String> = moves.collect();
    for short_of in &come.short {
        lines.push(format!(
            "{} misses {}",
            short_of.service.name, short_of.missing
        ));
        lines.extend(short_of.said.iter().map(|message| readable(message)));
        let rows = short_of.why.iter().flat_map(|why| explanation(&why.why));
        lines.extend(rows);
    }
    lines.extend(come.counts.iter().map(|count| {
        format!(
            "{} wants {} running {} pending {} {}",
            count.service.name,
            count.desired,
            count.running,
            count.pending,
            count.rollout.map_or("-", |rollout| rollout.as_str())
        )
    }));
    let rest = if come.is_at_rest {
        "at rest"
    } else {
        "not at rest"
    };
    lines.push(rest.to_owned());
    lines
}
