//! From disk to memory: reads every row back, checks the sums, and rebuilds the state.

use std::ops::ControlFlow;

use model::row::{Row, RowKey};
use model::sealer::{Sealer, lp};
use model::state::State;

use super::rows;
use super::sums::Sums;
use crate::codec::records::{self, Applied, Table};
use crate::danger::{self, Bug};
use crate::storage::StoreError;
use crate::storage::disk::{Batch, Disk, Space};

const APPLIED: &[u8] = b"state/applied";
const DIGEST: &[u8] = b"state/digest";
const DIGEST_AAD: &[u8] = b"keyraft/v1/aad/digest";
/// Rows read at once: memory stays bounded while a million rows pass.
const READ_ROWS: usize = 1_024;

/// What the disk holds.
pub(crate) struct Loaded {
    pub(crate) applied: Applied,
    pub(crate) sums: Sums,
    pub(crate) state: State,
}

/// Reads the living generation. An empty disk gives the empty state of `region`.
pub(crate) fn load<D: Disk>(disk: &D, sealer: &dyn Sealer, region: &str) -> Result<Loaded, StoreError> {
    let bad = |source| StoreError::Record { what: "applied mark", source };
    let applied = match disk.get(Space::Meta, APPLIED)? {
        Some(bytes) => records::decode_applied(&bytes).map_err(bad)?,
        None => Applied::default(),
    };
    let mut rows = Rows::new(disk, sealer, applied.generation);
    let mut rows_ahead = rows.by_ref().peekable();
    let state = match rows_ahead.peek() {
        Some(_) => State::from_rows(rows_ahead).map_err(|error| StoreError::State { why: error.to_string() }),
        None => Ok(State::new(region)),
    };
    let sums = rows.finish()?;
    if !danger::has(Bug::RowsNotCounted) {
        compare(&stored_sums(disk, applied.generation)?, &sums)?;
        check_digest(disk, sealer, &applied, &sums.total)?;
    }
    Ok(Loaded { applied, sums, state: state? })
}

/// Writes how far the state has come, and the sealed sum of everything in it: single tables cannot be put
/// back to an older version of themselves.
pub(crate) fn put_applied(
    batch: &mut Batch,
    sealer: &dyn Sealer,
    applied: &Applied,
    total: &Table,
) -> Result<(), StoreError> {
    let record = records::encode_applied(applied)?;
    let digest = sealer.seal(&digest_aad(sealer, &record), &records::encode_table(total)?);
    batch.put(Space::Meta, APPLIED, record);
    batch.put(Space::Meta, DIGEST, digest);
    Ok(())
}

/// Adds the deletion of every generation but the living one.
pub(crate) fn drop_others(batch: &mut Batch, living: u64) {
    for (from, to) in [(0, living), (living + 1, u64::MAX)] {
        let (first, end) = rows::generations(from, to);
        batch.delete_range(Space::Rows, first, end);
        batch.delete_range(Space::Meta, rows::sum_key(from, &[]), rows::sum_key(to, &[]));
    }
}

/// Whether rows of other generations lie on the disk: an install was interrupted.
pub(crate) fn has_others<D: Disk>(disk: &D, living: u64) -> Result<bool, StoreError> {
    let mut found = false;
    for (from, to) in [(0, living), (living + 1, u64::MAX)] {
        let (first, end) = rows::generations(from, to);
        disk.scan(Space::Rows, &first, &end, &mut |_, _| {
            found = true;
            ControlFlow::Break(())
        })?;
    }
    Ok(found)
}

fn digest_aad(sealer: &dyn Sealer, applied: &[u8]) -> Vec<u8> {
    let applied = sealer.set_hash(DIGEST_AAD, applied);
    lp(&[DIGEST_AAD, sealer.realm().as_bytes(), &applied])
}

fn stored_sums<D: Disk>(disk: &D, generation: u64) -> Result<Sums, StoreError> {
    let mut raw = Vec::new();
    let (from, to) = (rows::sum_key(generation, &[]), rows::sum_key(generation + 1, &[]));
    disk.scan(Space::Meta, &from, &to, &mut |key, value| {
        raw.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    let mut sums = Sums::default();
    for (key, value) in raw {
        let bad = |source| StoreError::Record { what: "sum of a table", source };
        let table = rows::summed_table(&key).ok_or(bad(crate::codec::BadBytes::Length))?;
        sums.tables.insert(table, records::decode_table(&value).map_err(bad)?);
    }
    Ok(sums)
}

fn compare(stored: &Sums, found: &Sums) -> Result<(), StoreError> {
    for id in stored.tables.keys().chain(found.tables.keys()) {
        let (written, there) = (stored.table(id), found.table(id));
        if written != there {
            let table = id[id.len() - 1];
            return Err(StoreError::Integrity { table, expected: written.rows, found: there.rows });
        }
    }
    Ok(())
}

fn check_digest<D: Disk>(
    disk: &D,
    sealer: &dyn Sealer,
    applied: &Applied,
    total: &Table,
) -> Result<(), StoreError> {
    let sealed = match disk.get(Space::Meta, DIGEST)? {
        Some(sealed) => sealed,
        None if applied.last.is_none() && total.rows == 0 => return Ok(()),
        None => return Err(StoreError::Digest { why: "it is missing".to_owned() }),
    };
    let aad = digest_aad(sealer, &records::encode_applied(applied)?);
    let opened = sealer.open(&aad, &sealed).map_err(|error| StoreError::Digest { why: error.to_string() })?;
    let written = records::decode_table(&opened)
        .map_err(|source| StoreError::Record { what: "digest of the state", source })?;
    if written == *total {
        return Ok(());
    }
    Err(StoreError::Digest { why: "rows, sums and digest are of different moments".to_owned() })
}

/// Reads the rows of a generation piece by piece; ends early at the first that is bad.
struct Rows<'a, D: Disk> {
    disk: &'a D,
    sealer: &'a dyn Sealer,
    next: Vec<u8>,
    end: Vec<u8>,
    piece: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    sums: Sums,
    failed: Option<StoreError>,
}

impl<'a, D: Disk> Rows<'a, D> {
    fn new(disk: &'a D, sealer: &'a dyn Sealer, generation: u64) -> Self {
        let (first, end) = rows::generations(generation, generation + 1);
        let (sums, piece) = (Sums::default(), Vec::new().into_iter());
        Self { disk, sealer, next: first.to_vec(), end: end.to_vec(), piece, sums, failed: None }
    }

    fn finish(self) -> Result<Sums, StoreError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.sums),
        }
    }

    fn read(&mut self) -> Result<Option<(RowKey, Row)>, StoreError> {
        if self.piece.len() == 0 {
            let mut piece = Vec::new();
            self.disk.scan(Space::Rows, &self.next, &self.end, &mut |key, value| {
                piece.push((key.to_vec(), value.to_vec()));
                if piece.len() < READ_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            self.piece = piece.into_iter();
        }
        let Some((stored_key, value)) = self.piece.next() else { return Ok(None) };
        let (table, hash, key, row) = rows::open(self.sealer, &stored_key, &value)?;
        self.sums.add(table, &hash);
        self.next = stored_key;
        self.next.push(0);
        Ok(Some((key, row)))
    }
}

impl<D: Disk> Iterator for Rows<'_, D> {
    type Item = (RowKey, Row);

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed.is_some() {
            return None;
        }
        self.read().unwrap_or_else(|error| {
            self.failed = Some(error);
            None
        })
    }
}
