//! Why an instance takes a task or not, as DescribePlacement and DescribePlan show it. Refusals are those of RunTask.

use quorate_core::ids::ClusterName;
use quorate_core::placement::{Advantage, Refused, Row, Rules, Score, Strategy, Winner};
use quorate_core::{Explained, Realm};
use serde_json::{Value, json};

use super::super::refusals;

/// The rules in words.
pub(in super::super) fn rules(rules: &Rules) -> Value {
    let constraints: Vec<String> = rules.constraints.iter().map(ToString::to_string).collect();
    let strategies: Vec<String> = rules.strategies.iter().map(ToString::to_string).collect();
    json!({"constraints": constraints, "strategies": strategies})
}

/// A row for each instance: those that take the task, the best first, then the others.
pub(in super::super) fn rows(realm: &Realm, cluster: &ClusterName, why: &Explained) -> Vec<Value> {
    let rows = why.why.rows.iter();
    rows.map(|one| row(realm, cluster, &why.rules, one))
        .collect()
}

fn row(realm: &Realm, cluster: &ClusterName, rules: &Rules, row: &Row) -> Value {
    match &row.verdict {
        Ok(score) => json!({
            "containerInstanceArn": realm.instance(cluster, row.instance),
            "fits": true,
            "score": of_score(rules, score),
        }),
        Err(why) => refused(
            realm,
            cluster,
            &Refused {
                instance: row.instance,
                why: why.clone(),
            },
        ),
    }
}

/// An instance that does not take it.
pub(in super::super) fn refused(realm: &Realm, cluster: &ClusterName, refused: &Refused) -> Value {
    let failure = refusals::failure(refused, cluster, realm);
    let mut shown = json!({
        "containerInstanceArn": failure.arn,
        "fits": false,
        "reason": failure.reason,
    });
    if let Some(detail) = failure.detail {
        shown["detail"] = detail.into();
    }
    shown
}

/// In the order in which it is compared.
fn of_score(rules: &Rules, score: &Score) -> Value {
    let of = |(strategy, value): (&Strategy, &u64)| json!({"strategy": strategy.to_string(), "value": value});
    let strategies = rules.strategies.iter().zip(&score.by_strategy).map(of);
    json!({
        "strategies": strategies.collect::<Vec<_>>(),
        "groupTasks": score.same_group,
        "memoryLeft": score.memory_mib_free_after.0,
        "cpuLeft": score.cpu_units_free_after.0,
    })
}

/// Who wins by what over whom; `null` if nobody takes it.
pub(in super::super) fn choice(realm: &Realm, cluster: &ClusterName, why: &Explained) -> Value {
    let Some(winner) = &why.why.winner else {
        return Value::Null;
    };
    let over = winner.over.map(|next| realm.instance(cluster, next));
    let mut shown = json!({
        "containerInstanceArn": realm.instance(cluster, winner.instance),
        "by": by(winner),
        "reason": reason(&why.rules, winner),
    });
    if let Some(over) = over {
        shown["over"] = over.into();
    }
    shown
}

fn by(winner: &Winner) -> &'static str {
    match winner.by {
        Advantage::Alone => "ALONE",
        Advantage::Strategy(_) => "STRATEGY",
        Advantage::SameGroup => "GROUP_TASKS",
        Advantage::Memory => "MEMORY",
        Advantage::Cpu => "CPU",
        Advantage::Id => "ID",
    }
}

fn reason(rules: &Rules, winner: &Winner) -> String {
    match winner.by {
        Advantage::Alone => "no other takes it".to_owned(),
        Advantage::Strategy(place) => match rules.strategies.get(place) {
            Some(strategy) => format!("better by {strategy}"),
            None => "better by a strategy".to_owned(),
        },
        Advantage::SameGroup => "fewer tasks of its group".to_owned(),
        Advantage::Memory => "more memory left".to_owned(),
        Advantage::Cpu => "more CPU left".to_owned(),
        Advantage::Id => "the lower id".to_owned(),
    }
}
