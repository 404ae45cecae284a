//! Where promises are put to the test: hand-made histories, good and bad.

pub(super) mod forge;
pub(super) mod stage;
