//! Rows as they lie on disk: sealed, each bound to its place, and counted.
//!
//! Stored key = u64 generation ‖ PRF of the tenant (16) ‖ table (1) ‖ PRF of the row's key (16): files reveal
//! neither names nor neighbours. Stored value = u64 revision ‖ keyed hash (32) ‖ sealed frame of key and
//! row, with AAD = lp("keyraft/v1/aad/row", realm, table, stored key, revision): a row moved to another
//! place or given another revision does not open. The hash says what the row adds to the sum of its table;
//! sums are checked at open.

use std::collections::{BTreeMap, BTreeSet};

use model::id::{LogIndex, TenantHandle};
use model::row::{Row, RowKey};
use model::sealer::{ROW_PRF_LEN, Sealer, lp};

use super::sums::{Sums, TableId};
use crate::codec::{self, records};
use crate::storage::StoreError;
use crate::storage::disk::{Batch, Disk, Space};

const ROW_AAD: &[u8] = b"keyraft/v1/aad/row";
const SUM: &[u8] = b"sum/";
const GENERATION_LEN: usize = 8;
const REVISION_LEN: usize = 8;
const HASH_LEN: usize = 32;
/// The cluster's own rows lie under the PRF of a handle no tenant has a row under in their tables.
const NO_TENANT: TenantHandle = TenantHandle([0; 4]);

/// What one step of applying leaves of each row, in the order of keys: `None` is a deletion.
pub(crate) type Changed = BTreeMap<RowKey, (LogIndex, Option<Row>)>;

/// Writes changed rows of one generation into a batch and keeps the sums.
pub(crate) fn write<D: Disk>(
    batch: &mut Batch,
    disk: &D,
    sealer: &dyn Sealer,
    generation: u64,
    sums: &mut Sums,
    changed: &Changed,
) -> Result<(), StoreError> {
    let mut touched = BTreeSet::new();
    for (key, (revision, row)) in changed {
        let place = Place::of(sealer, key)?;
        let stored_key = place.stored_key(generation);
        touched.insert(place.table);
        if let Some(old) = disk.get(Space::Rows, &stored_key)?
            && !sums.subtract(place.table, &parse(key.table(), &old)?.hash)
        {
            return Err(bad(key.table(), "it was never counted"));
        }
        match row {
            Some(row) => {
                let frame = codec::encode_row(key, row)?;
                let hash = sealer.set_hash(&place.logical, &frame);
                let aad = aad(sealer, key.table(), &stored_key, *revision);
                sums.add(place.table, &hash);
                let value = [&revision.0.to_be_bytes()[..], &hash, &sealer.seal(&aad, &frame)].concat();
                batch.put(Space::Rows, stored_key, value);
            }
            None => batch.delete(Space::Rows, stored_key),
        }
    }
    for table in touched {
        let (key, sum) = (sum_key(generation, &table), sums.table(&table));
        match sum.rows {
            0 => batch.delete(Space::Meta, key),
            _ => batch.put(Space::Meta, key, records::encode_table(&sum)?),
        }
    }
    Ok(())
}

/// Which table a row adds to, and what.
pub(crate) fn hash_of(
    sealer: &dyn Sealer,
    key: &RowKey,
    row: &Row,
) -> Result<(TableId, [u8; HASH_LEN]), StoreError> {
    let place = Place::of(sealer, key)?;
    Ok((place.table, sealer.set_hash(&place.logical, &codec::encode_row(key, row)?)))
}

/// Opens a stored row and says what it adds to which table.
pub(crate) fn open(
    sealer: &dyn Sealer,
    stored_key: &[u8],
    value: &[u8],
) -> Result<(TableId, [u8; HASH_LEN], RowKey, Row), StoreError> {
    let (generation, logical) = stored_key
        .split_first_chunk::<GENERATION_LEN>()
        .filter(|(_, logical)| logical.len() > ROW_PRF_LEN)
        .ok_or_else(|| bad(0, "its key is too short"))?;
    let table = logical[ROW_PRF_LEN];
    let parsed = parse(table, value)?;
    let frame = sealer
        .open(&aad(sealer, table, stored_key, parsed.revision), parsed.sealed)
        .map_err(|error| bad(table, error))?;
    let (key, row) = codec::decode_row(&frame).map_err(|error| bad(table, error))?;
    let place = Place::of(sealer, &key)?;
    if place.stored_key(u64::from_be_bytes(*generation)) != stored_key {
        return Err(bad(table, "it names another place inside"));
    }
    let hash = sealer.set_hash(&place.logical, &frame);
    if hash != parsed.hash {
        return Err(bad(table, "its hash does not match"));
    }
    Ok((place.table, hash, key, row))
}

/// The range of stored keys of generations from one to before another.
pub(crate) fn generations(from: u64, to: u64) -> ([u8; 8], [u8; 8]) {
    (from.to_be_bytes(), to.to_be_bytes())
}

/// The key of a table's sum.
pub(crate) fn sum_key(generation: u64, table: &[u8]) -> Vec<u8> {
    [SUM, &generation.to_be_bytes(), table].concat()
}

/// Which table a sum is of.
pub(crate) fn summed_table(key: &[u8]) -> Option<TableId> {
    key.get(SUM.len() + GENERATION_LEN..)?.try_into().ok()
}

/// Where a row lies, the same on every node.
struct Place {
    table: TableId,
    /// PRF of the tenant ‖ table ‖ PRF of the key.
    logical: Vec<u8>,
}

impl Place {
    fn of(sealer: &dyn Sealer, key: &RowKey) -> Result<Self, StoreError> {
        let tenant = key.tenant().unwrap_or(NO_TENANT);
        let mut table = [0; ROW_PRF_LEN + 1];
        table[..ROW_PRF_LEN].copy_from_slice(&sealer.row_prefix(tenant));
        table[ROW_PRF_LEN] = key.table();
        let name = sealer.row_name(tenant, &codec::row_name(key)?);
        Ok(Self { table, logical: [&table[..], &name].concat() })
    }

    fn stored_key(&self, generation: u64) -> Vec<u8> {
        [&generation.to_be_bytes()[..], &self.logical].concat()
    }
}

struct Parsed<'a> {
    revision: LogIndex,
    hash: [u8; HASH_LEN],
    sealed: &'a [u8],
}

fn parse(table: u8, value: &[u8]) -> Result<Parsed<'_>, StoreError> {
    let short = || bad(table, "it is too short");
    let (revision, rest) = value.split_first_chunk::<REVISION_LEN>().ok_or_else(short)?;
    let (hash, sealed) = rest.split_first_chunk::<HASH_LEN>().ok_or_else(short)?;
    Ok(Parsed { revision: LogIndex(u64::from_be_bytes(*revision)), hash: *hash, sealed })
}

fn aad(sealer: &dyn Sealer, table: u8, stored_key: &[u8], revision: LogIndex) -> Vec<u8> {
    lp(&[ROW_AAD, sealer.realm().as_bytes(), &[table], stored_key, &revision.0.to_be_bytes()])
}

fn bad(table: u8, why: impl ToString) -> StoreError {
    StoreError::Row { table, why: why.to_string() }
}
