//! States that `apply` would never make: a state is written as a snapshot, rows are changed, and it is read back.
#![allow(clippy::unwrap_used)]

use quorate_core::{Millis, State, snapshot};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The first tables of a snapshot, by their place in it; those behind them are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Table {
    Clusters,
    Families,
    Definitions,
    Instances,
    Tasks,
    Nodes,
    Tokens,
    Requests,
    Services,
}

const TABLES: [Table; 9] = [
    Table::Clusters,
    Table::Families,
    Table::Definitions,
    Table::Instances,
    Table::Tasks,
    Table::Nodes,
    Table::Tokens,
    Table::Requests,
    Table::Services,
];

/// The state at index `at`, with the rows of one table as `change` leaves them; a row it says no to is left out.
pub(in super::super) fn forge<T: Serialize + DeserializeOwned>(
    state: &State,
    at: u64,
    table: Table,
    mut change: impl FnMut(&mut T) -> bool,
) -> State {
    rewrite(state, at, table, |bytes| {
        let mut value: T = rmp_serde::from_slice(&bytes).unwrap();
        change(&mut value).then(|| rmp_serde::to_vec_named(&value).unwrap())
    })
}

/// The same, with rows as bytes.
pub(in super::super) fn rewrite(
    state: &State,
    at: u64,
    table: Table,
    mut change: impl FnMut(Vec<u8>) -> Option<Vec<u8>>,
) -> State {
    let mut bytes = Vec::new();
    snapshot::write(state, &mut bytes).unwrap();
    let mut from = bytes.as_slice();
    let mut to = take(&mut from, 4).to_vec();
    let (_, now): (u64, Millis) = rmp_serde::from_slice(row(&mut from)).unwrap();
    put(&mut to, &rmp_serde::to_vec_named(&(at, now)).unwrap());
    for one in TABLES {
        let count = u64::from_be_bytes(take(&mut from, 8).try_into().unwrap());
        let rows = (0..count).map(|_| row(&mut from).to_vec());
        let rows: Vec<Vec<u8>> = rows
            .filter_map(|bytes| {
                if one == table {
                    change(bytes)
                } else {
                    Some(bytes)
                }
            })
            .collect();
        to.extend((rows.len() as u64).to_be_bytes());
        rows.iter().for_each(|bytes| put(&mut to, bytes));
    }
    to.extend(from);
    snapshot::read(&mut to.as_slice()).unwrap()
}

fn take<'a>(from: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = from.split_at(count);
    *from = rest;
    taken
}

fn row<'a>(from: &mut &'a [u8]) -> &'a [u8] {
    let length = u32::from_be_bytes(take(from, 4).try_into().unwrap());
    take(from, length as usize)
}

fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    to.extend(bytes);
}
