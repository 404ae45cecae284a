//! An input without what the model does not know of it: members of other releases, and `null`, which is the same as absent.

use serde_json::Value;

use super::shape::{Shape, ShapeId, Shapes};

impl Shapes {
    /// Drops, at every level, unknown members and members that are `null`.
    pub(super) fn prune(&self, id: ShapeId, value: &mut Value) {
        match (self.get(id), value) {
            (Shape::Structure(structure), Value::Object(given)) => {
                given.retain(|name, item| {
                    let known = structure.members.get(name).filter(|_| !item.is_null());
                    known.inspect(|shape| self.prune(**shape, item)).is_some()
                });
            }
            (Shape::List { member, .. }, Value::Array(items)) => {
                items.iter_mut().for_each(|item| self.prune(*member, item));
            }
            (Shape::Map { value: member }, Value::Object(entries)) => {
                entries
                    .iter_mut()
                    .for_each(|(_, item)| self.prune(*member, item));
            }
            _ => {}
        }
    }
}
