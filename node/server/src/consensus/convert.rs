//! openraft's values to and from our own peer messages. Disk and wire hold only the messages, so an openraft release can change
//! its types without changing either.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::entry::RaftEntry;
use openraft::errors::MembershipError;
use prost::Message;
use quorate_proto::peer;

use super::types::{
    Command, Entry, LogId, Member, Membership, NodeId, Payload, StoredMembership, Vote,
};

/// A peer message that does not say what it must.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConvertError {
    #[error("decode a log entry")]
    Malformed { source: prost::DecodeError },
    #[error("a log entry lacks its log id")]
    NoLogId,
    #[error("a membership names voters it does not describe")]
    Membership { source: MembershipError<NodeId> },
}

/// The log id as a message. With one leader per term the term alone names the leader, so `node` stays 0.
pub(crate) fn from_log_id(id: LogId) -> peer::LogId {
    peer::LogId {
        term: id.committed_leader_id().term,
        node: 0,
        index: id.index(),
    }
}

/// The log id a message holds.
pub(crate) fn to_log_id(id: peer::LogId) -> LogId {
    LogId::new_term_index(id.term, id.index)
}

/// The vote as a message.
pub(crate) fn from_vote(vote: Vote) -> peer::Vote {
    peer::Vote {
        term: vote.leader_id.term,
        node: vote.leader_id.voted_for,
        committed: vote.committed,
    }
}

/// The vote a message holds.
pub(crate) fn to_vote(vote: peer::Vote) -> Vote {
    if vote.committed {
        Vote::new_committed(vote.term, vote.node)
    } else {
        Vote::new(vote.term, vote.node)
    }
}

/// The member as a message.
pub(crate) fn from_member(node: NodeId, member: &Member) -> peer::Member {
    peer::Member {
        node,
        peer_address: member.peer_address.clone(),
        api_address: member.api_address.clone(),
    }
}

/// The member a message holds.
pub(crate) fn to_member(member: peer::Member) -> (NodeId, Member) {
    (
        member.node,
        Member {
            peer_address: member.peer_address,
            api_address: member.api_address,
        },
    )
}

/// The membership as a message.
pub(crate) fn from_membership(membership: &Membership) -> peer::Membership {
    peer::Membership {
        configs: membership
            .get_joint_config()
            .iter()
            .map(|voters| peer::VoterSet {
                nodes: voters.iter().copied().collect(),
            })
            .collect(),
        members: membership
            .nodes()
            .map(|(node, member)| from_member(*node, member))
            .collect(),
    }
}

/// The membership a message holds.
///
/// # Errors
/// If a voter is not among the members, or a voter set is empty.
pub(crate) fn to_membership(membership: peer::Membership) -> Result<Membership, ConvertError> {
    let configs: Vec<BTreeSet<NodeId>> = membership
        .configs
        .into_iter()
        .map(|voters| voters.nodes.into_iter().collect())
        .collect();
    let members: BTreeMap<NodeId, Member> = membership.members.into_iter().map(to_member).collect();
    Membership::new(configs, members).map_err(|source| ConvertError::Membership { source })
}

/// A membership with its position, as a message.
pub(crate) fn from_stored_membership(stored: &StoredMembership) -> peer::EffectiveMembership {
    peer::EffectiveMembership {
        log_id: stored.log_id().map(from_log_id),
        membership: Some(from_membership(stored.membership())),
    }
}

/// The positioned membership a message holds; a message without one means the empty membership of a new node.
///
/// # Errors
/// As [`to_membership`].
pub(crate) fn to_stored_membership(
    stored: peer::EffectiveMembership,
) -> Result<StoredMembership, ConvertError> {
    let membership = to_membership(stored.membership.unwrap_or_default())?;
    Ok(StoredMembership::new(
        stored.log_id.map(to_log_id),
        membership,
    ))
}

/// The entry in its form on disk and on the wire: an encoded [`peer::LogEntry`].
pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    let payload = match &entry.payload {
        Payload::Blank => None,
        Payload::Normal(command) => Some(peer::log_entry::Payload::Command(command.0.clone())),
        Payload::Membership(membership) => Some(peer::log_entry::Payload::Membership(
            from_membership(membership),
        )),
    };
    Bytes::from(
        peer::LogEntry {
            id: Some(from_log_id(entry.log_id)),
            payload,
        }
        .encode_to_vec(),
    )
}

/// The entry that [`encode_entry`] made. A command shares `bytes`.
///
/// # Errors
/// If the bytes are no entry.
pub(crate) fn decode_entry(bytes: Bytes) -> Result<Entry, ConvertError> {
    let entry =
        peer::LogEntry::decode(bytes).map_err(|source| ConvertError::Malformed { source })?;
    let id = to_log_id(entry.id.ok_or(ConvertError::NoLogId)?);
    let payload = match entry.payload {
        None => Payload::Blank,
        Some(peer::log_entry::Payload::Command(command)) => Payload::Normal(Command(command)),
        Some(peer::log_entry::Payload::Membership(membership)) => {
            Payload::Membership(to_membership(membership)?)
        }
    };
    Ok(Entry::new(id, payload))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn membership() -> Membership {
        let member = |n: u64| {
            (
                n,
                Member {
                    peer_address: format!("p{n}:1"),
                    api_address: format!("a{n}:2"),
                },
            )
        };
        Membership::new(
            vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3])],
            BTreeMap::from_iter((1..=4).map(member)),
        )
        .unwrap()
    }

    #[test]
    fn every_payload_survives_the_round_trip() {
        let payloads = [
            Payload::Blank,
            Payload::Normal(Command(Bytes::from_static(b"\0x"))),
            Payload::Membership(membership()),
        ];
        for payload in payloads {
            let entry = Entry::new(LogId::new_term_index(7, 42), payload);
            let back = decode_entry(encode_entry(&entry)).unwrap();
            assert_eq!(back, entry);
        }
    }

    #[test]
    fn votes_and_stored_memberships_survive_the_round_trip() {
        for vote in [Vote::new(3, 9), Vote::new_committed(3, 9)] {
            assert_eq!(to_vote(from_vote(vote)), vote);
        }
        let stored = StoredMembership::new(Some(LogId::new_term_index(1, 2)), membership());
        assert_eq!(
            to_stored_membership(from_stored_membership(&stored)).unwrap(),
            stored
        );
        let none = StoredMembership::default();
        assert_eq!(
            to_stored_membership(from_stored_membership(&none)).unwrap(),
            none
        );
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        assert!(matches!(
            decode_entry(Bytes::new()),
            Err(ConvertError::NoLogId)
        ));
        assert!(matches!(
            decode_entry(Bytes::from_static(b"\xff\xff")),
            Err(ConvertError::Malformed { .. })
        ));
        let voters = vec![peer::VoterSet { nodes: vec![1] }];
        let unknown = peer::Membership {
            configs: voters,
            members: vec![],
        };
        assert!(matches!(
            to_membership(unknown),
            Err(ConvertError::Membership { .. })
        ));
    }
}
