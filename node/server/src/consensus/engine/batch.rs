//! One group commit: everything that waits when the writer comes round, folded into one atomic change. Its encoding is what the
//! segment engine writes.

use bytes::Bytes;
use quorate_proto::peer;

/// One slot of the log as an engine sees it: its position, and bytes it does not look into.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    /// The term in which the entry was proposed.
    #[prost(uint64, tag = "1")]
    pub(crate) term: u64,
    /// Who proposed it, if the term alone does not say so.
    #[prost(uint64, tag = "2")]
    pub(crate) leader: u64,
    /// Its place in the log.
    #[prost(uint64, tag = "3")]
    pub(crate) index: u64,
    /// The encoded entry.
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) data: Bytes,
}

impl Record {
    /// Its position as a message.
    pub(crate) fn id(&self) -> peer::LogId {
        peer::LogId {
            term: self.term,
            node: self.leader,
            index: self.index,
        }
    }
}

/// A named small value, written or (without a value) removed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CatalogueChange {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(crate) value: Option<Bytes>,
}

/// A change of the disk. An engine truncates first, then purges, then appends; [`Batch`]'s methods fold any sequence of
/// changes into this order.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Batch {
    /// The vote to keep.
    #[prost(message, optional, tag = "1")]
    pub(crate) vote: Option<peer::Vote>,
    /// The commit position to keep.
    #[prost(message, optional, tag = "2")]
    pub(crate) committed: Option<peer::LogId>,
    /// Drop every record from this index on.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) truncate_from: Option<u64>,
    /// Drop every record up to and including this one; the log may end before it.
    #[prost(message, optional, tag = "4")]
    pub(crate) purged: Option<peer::LogId>,
    /// Records to append; consecutive, all beyond `purged`.
    #[prost(message, repeated, tag = "5")]
    pub(crate) records: Vec<Record>,
    /// Changes of the catalogue, in order.
    #[prost(message, repeated, tag = "6")]
    pub(crate) catalogue: Vec<CatalogueChange>,
}

impl Batch {
    /// Adds records behind all that came before.
    pub(crate) fn append(&mut self, records: impl IntoIterator<Item = Record>) {
        self.records.extend(records);
    }

    /// Drops every record from `from` on, appended here or before.
    pub(crate) fn truncate(&mut self, from: u64) {
        let keep = self.records.partition_point(|record| record.index < from);
        self.records.truncate(keep);
        // Records appended here that survive lie above whatever was dropped before them; below them nothing changes.
        if self.records.is_empty() {
            self.truncate_from = Some(self.truncate_from.map_or(from, |earlier| earlier.min(from)));
        }
    }

    /// Drops every record up to `upto`, appended here or before.
    pub(crate) fn purge(&mut self, upto: peer::LogId) {
        let drop = self
            .records
            .partition_point(|record| record.index <= upto.index);
        self.records.drain(..drop);
        if self.purged.is_none_or(|purged| purged.index < upto.index) {
            self.purged = Some(upto);
        }
    }

    /// Writes or removes a named value.
    pub(crate) fn catalogue(&mut self, name: String, value: Option<Bytes>) {
        self.catalogue.push(CatalogueChange { name, value });
    }
}
