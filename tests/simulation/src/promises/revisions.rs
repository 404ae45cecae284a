//! I16: revisions of a family rise by what was registered later, and none is given twice.

use std::collections::BTreeMap;

use quorate_core::Millis;
use quorate_core::documents::{Document, Tag};
use quorate_core::ids::{DefinitionId, Family};
use quorate_core::state::TaskDefinition;

use super::claims::last_part;
use super::{Answered, Promise, Scene, Seen, Step};
use crate::history::{Call, Event};

/// See the file.
#[derive(Default)]
pub(super) struct Revisions {
    /// The highest revision that any state held.
    highest: BTreeMap<Family, u64>,
    /// The highest revision that any client was told.
    told: BTreeMap<Family, u64>,
    /// What a call was told, by revision.
    owners: BTreeMap<DefinitionId, u64>,
    /// What had been told when a call was sent.
    floors: BTreeMap<u64, u64>,
}

impl Promise for Revisions {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        match seen {
            Seen::Step(step) => self.take(step, scene),
            Seen::Event(event) => self.begin(event),
            Seen::Answer(answered) => self.take_answer(answered, scene),
            Seen::Published(_) | Seen::Status(_) | Seen::Ended => {}
        }
    }
}

impl Revisions {
    fn begin(&mut self, event: &Event) {
        let call = Call::begun(event).filter(|call| call.operation == "RegisterTaskDefinition");
        if let Some(call) = call
            && let Ok(family) = call.text("family").parse()
        {
            self.floors
                .insert(call.id, self.told.get(&family).copied().unwrap_or_default());
        }
    }

    fn take(&mut self, step: &Step, scene: &mut Scene<'_>) {
        for id in &step.touched.definitions {
            match (step.before.definition(id), step.after.definition(id)) {
                (Some(before), Some(after)) if origin(before) != origin(after) => {
                    scene.broken(None, format!("{id} was given again"));
                }
                (Some(_), _) => {}
                (None, _) => self.take_new(id, scene),
            }
        }
        for (family, record) in step.after.families() {
            let highest = self.highest.get(family).copied().unwrap_or_default();
            if record.last_revision < highest {
                let text = format!(
                    "{family} says its last revision is {}, and had {highest}",
                    record.last_revision
                );
                scene.broken(None, text);
            }
        }
    }

    fn take_new(
        &mut self,
        DefinitionId { family, revision }: &DefinitionId,
        scene: &mut Scene<'_>,
    ) {
        let highest = self.highest.entry(family.clone()).or_default();
        if *revision <= *highest {
            scene.broken(
                None,
                format!("{family}:{revision} is new, and {family}:{highest} was there before"),
            );
        }
        *highest = (*highest).max(*revision);
    }

    fn take_answer(&mut self, answered: &Answered, scene: &mut Scene<'_>) {
        let call = &answered.call;
        let Some(floor) = self.floors.remove(&call.id) else {
            return;
        };
        let arn = call
            .output()
            .and_then(|output| output["taskDefinition"]["taskDefinitionArn"].as_str());
        let Some(id) = arn.and_then(|arn| last_part(arn).parse::<DefinitionId>().ok()) else {
            return;
        };
        if id.revision <= floor {
            let text = format!(
                "call {} was given {id}, though revision {floor} was given before it was sent",
                call.id
            );
            scene.broken(call.node, text);
        }
        if let Some(owner) = self.owners.insert(id.clone(), call.id) {
            scene.broken(
                call.node,
                format!("{id} was given to call {owner} and to call {}", call.id),
            );
        }
        let told = self.told.entry(id.family).or_default();
        *told = (*told).max(id.revision);
    }
}

/// What a revision has from its registration, for ever.
fn origin(one: &TaskDefinition) -> (&Document, &[Tag], Millis) {
    (&one.document, &one.tags, one.registered_at)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::stage::Stage;

    fn register(stage: &mut Stage, call: u64, revision: u64) {
        let arn = format!("arn:aws:ecs:us-east-1:000000000000:task-definition/web:{revision}");
        stage.answer(
            call,
            200,
            json!({ "taskDefinition": { "taskDefinitionArn": arn } }),
        );
    }

    #[test]
    fn revisions_that_rise_are_right_also_out_of_order_while_calls_overlap() {
        let mut stage = Stage::judging("I16 revisions");
        let calls =
            [(); 2].map(|()| stage.call(1, "RegisterTaskDefinition", json!({ "family": "web" })));
        stage.register("web", "d2");
        stage.register("web", "d3");
        stage.show(1);
        register(&mut stage, calls[0], 3);
        register(&mut stage, calls[1], 2);
        stage.assert_kept();
    }

    #[test]
    fn a_revision_that_is_given_again_is_found() {
        let mut stage = Stage::judging("I16 revisions");
        let before = stage.state();
        stage.register("web", "d2");
        stage.show(1);
        stage.replace(&before);
        stage.register("web", "d3");
        stage.show(1);
        stage.assert_broken("web:2 was given again");
    }

    #[test]
    fn a_revision_below_one_that_was_there_is_found() {
        let mut stage = Stage::judging("I16 revisions");
        let before = stage.state();
        stage.register("web", "d2");
        stage.show(1);
        stage.replace(&before);
        stage.show(1);
        stage.register("web", "d3");
        stage.show(1);
        stage.assert_broken("web:2 was there before");
    }

    #[test]
    fn a_later_call_with_a_lower_revision_is_found() {
        let mut stage = Stage::judging("I16 revisions");
        let first = stage.call(1, "RegisterTaskDefinition", json!({ "family": "web" }));
        register(&mut stage, first, 5);
        let second = stage.call(1, "RegisterTaskDefinition", json!({ "family": "web" }));
        register(&mut stage, second, 4);
        stage.assert_broken("was given before it was sent");
    }

    #[test]
    fn one_revision_for_two_calls_is_found() {
        let mut stage = Stage::judging("I16 revisions");
        let calls =
            [(); 2].map(|()| stage.call(1, "RegisterTaskDefinition", json!({ "family": "web" })));
        calls
            .into_iter()
            .for_each(|call| register(&mut stage, call, 2));
        stage.assert_broken("web:2 was given to call");
    }
}
