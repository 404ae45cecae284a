//! I2, the search: histories of single objects have an order that explains every answer, looked for among all orders.
//!
//! It knows calls and answers only, nothing of states or logs, and so cannot share a mistake with the other half of I2. It is dear, and runs
//! on samples: objects are drawn, their histories are cut where nothing was under way, and short windows are searched.

mod life;
mod search;

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

use self::life::{ALL, Deed, LifeOf};
use self::search::{OPERATIONS_MAX, Operation, Verdict, search};
use super::{Promise, Scene, Seen};
use crate::history::{Call, Event};

/// Windows searched in one run.
const WINDOWS: usize = 200;

/// See the file.
pub(super) struct Linear {
    seed: u64,
    open: BTreeMap<u64, Call>,
    lives: BTreeMap<String, Vec<Operation<Deed>>>,
}

impl Linear {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            open: BTreeMap::new(),
            lives: BTreeMap::new(),
        }
    }
}

impl Promise for Linear {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        match seen {
            Seen::Event(event) => self.begin(event),
            Seen::Answer(answered) => {
                self.open.remove(&answered.call.id);
                self.take(&answered.call);
            }
            Seen::Ended => self.judge(scene),
            Seen::Published(_) | Seen::Step(_) | Seen::Status(_) => {}
        }
    }
}

impl Linear {
    fn begin(&mut self, event: &Event) {
        if let Some(call) = Call::begun(event) {
            self.open.insert(call.id, call);
        }
    }

    fn take(&mut self, call: &Call) {
        let returned = call.output().is_some() || call.refusal().is_some();
        for (object, what) in life::deeds(call) {
            self.lives.entry(object).or_default().push(Operation {
                from_us: call.invoked_us,
                to_us: if returned { call.ended_us } else { u64::MAX },
                what,
            });
        }
    }

    fn judge(&mut self, scene: &mut Scene<'_>) {
        for call in std::mem::take(&mut self.open).into_values() {
            self.take(&call);
        }
        let mut windows: Vec<(&String, Vec<Operation<Deed>>)> = Vec::new();
        for (object, operations) in &self.lives {
            windows.extend(
                cut(operations.clone())
                    .into_iter()
                    .map(|window| (object, window)),
            );
        }
        windows.shuffle(&mut SmallRng::seed_from_u64(self.seed));
        for (object, window) in windows.into_iter().take(WINDOWS) {
            // What an object was before the first call that anybody knows of, nobody knows.
            if search::<LifeOf>(&window, &ALL) == Verdict::Not {
                scene.broken(
                    None,
                    format!("{object} has no history that explains {window:?}"),
                );
            }
        }
    }
}

/// Cuts a history where nothing was under way. What never returned may happen in any later window, and is part of them all.
fn cut(mut operations: Vec<Operation<Deed>>) -> Vec<Vec<Operation<Deed>>> {
    operations.sort_by_key(|one| (one.from_us, one.to_us));
    let mut windows = Vec::new();
    let (mut lost, mut current, mut until_us): (Vec<Operation<Deed>>, Vec<Operation<Deed>>, u64) =
        Default::default();
    for operation in operations {
        if operation.from_us > until_us && current.len() + lost.len() > OPERATIONS_MAX / 2 {
            windows.push([lost.clone(), std::mem::take(&mut current)].concat());
        }
        if operation.to_us == u64::MAX {
            lost.push(operation);
        } else {
            until_us = until_us.max(operation.to_us);
            current.push(operation);
        }
    }
    windows.push([lost, current].concat());
    windows.retain(|window| window.len() <= OPERATIONS_MAX);
    windows
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::stage::Stage;
    use super::*;

    fn create(stage: &mut Stage) {
        let call = stage.call(1, "CreateCluster", json!({ "clusterName": "c0" }));
        stage.answer(
            call,
            200,
            json!({ "cluster": { "clusterArn": "cluster/c0" } }),
        );
    }

    fn look(stage: &mut Stage, status: Option<&str>) {
        let call = stage.call(2, "DescribeClusters", json!({ "clusters": ["c0"] }));
        let found: Vec<Value> = status
            .map(|status| json!({ "clusterName": "c0", "status": status }))
            .into_iter()
            .collect();
        let missing: Vec<Value> = (found.is_empty())
            .then(|| json!({ "arn": "cluster/c0", "reason": "MISSING" }))
            .into_iter()
            .collect();
        stage.answer(call, 200, json!({ "clusters": found, "failures": missing }));
    }

    #[test]
    fn a_life_in_order_is_right() {
        let mut stage = Stage::judging("I2 search");
        look(&mut stage, None);
        create(&mut stage);
        look(&mut stage, Some("ACTIVE"));
        stage.call(1, "DeleteCluster", json!({ "cluster": "c0" }));
        look(&mut stage, Some("ACTIVE"));
        look(&mut stage, Some("INACTIVE"));
        stage.end();
        stage.assert_kept();
    }

    #[test]
    fn a_cluster_that_is_not_seen_after_it_was_made_is_found() {
        let mut stage = Stage::judging("I2 search");
        create(&mut stage);
        look(&mut stage, None);
        stage.end();
        stage.assert_broken("cluster c0 has no history");
    }

    #[test]
    fn a_read_that_goes_back_is_found_also_with_an_unknown_outcome() {
        let mut stage = Stage::judging("I2 search");
        create(&mut stage);
        stage.call(1, "DeleteCluster", json!({ "cluster": "c0" }));
        look(&mut stage, Some("INACTIVE"));
        look(&mut stage, Some("ACTIVE"));
        stage.end();
        stage.assert_broken("cluster c0 has no history");
    }

    #[test]
    fn a_task_that_runs_again_after_its_stop_is_found() {
        let mut stage = Stage::judging("I2 search");
        let arn = json!({ "taskArn": "task/default/7" });
        let run = stage.call(1, "RunTask", json!({}));
        stage.answer(run, 200, json!({ "tasks": [arn] }));
        let stop = stage.call(1, "StopTask", json!({ "task": "7" }));
        stage.answer(stop, 200, json!({ "task": arn }));
        let look = stage.call(1, "DescribeTasks", json!({ "tasks": ["7"] }));
        stage.answer(look, 200, json!({ "tasks": [{ "taskArn": "task/default/7", "desiredStatus": "RUNNING" }], "failures": [] }));
        stage.end();
        stage.assert_broken("task 7 has no history");
    }

    #[test]
    fn long_histories_are_cut_where_nothing_is_under_way() {
        let operation = |number: u64| Operation {
            from_us: number * 10,
            to_us: number * 10 + 5,
            what: Deed::Make,
        };
        let windows = cut((0..100).map(operation).collect());
        let lengths: Vec<_> = windows.iter().map(Vec::len).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 100);
        assert!(lengths.iter().all(|length| *length <= OPERATIONS_MAX));
    }
}
