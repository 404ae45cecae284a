//! Nodes make themselves known, each with the one disk it votes with.

use super::Desk;
use crate::command::{Change, Rejection, Reply};
use crate::ids::{NodeId, StoreId};
use crate::state::NodeRecord;

impl Desk<'_> {
    pub(super) fn record_node(
        &mut self,
        node: NodeId,
        store: StoreId,
        peer_address: &str,
        api_address: &str,
        version: &str,
    ) -> Result<Reply, Rejection> {
        let known = self.state.node(node);
        if let Some(other) = known.filter(|record| record.store != store) {
            return Err(Rejection::NodeHasOtherStore {
                node,
                known: other.store,
            });
        }
        let recorded_at = known.map_or(self.now, |record| record.recorded_at);
        self.state.put_node(NodeRecord {
            node,
            store,
            peer_address: peer_address.to_owned(),
            api_address: api_address.to_owned(),
            version: version.to_owned(),
            recorded_at,
        });
        self.touch(Change::Node(node));
        Ok(Reply::Done)
    }
}
