//! A cluster on one machine, as real processes of this same executable: what runs where, who keeps it running, how it
//! ends without a trace. `commands/dev` tells the story; the parts are here.

pub(crate) mod child;
pub(crate) mod cluster;
pub(crate) mod defaults;
pub(crate) mod image;
pub(crate) mod layout;
pub(crate) mod report;
pub(crate) mod runtime;
pub(crate) mod sample;
