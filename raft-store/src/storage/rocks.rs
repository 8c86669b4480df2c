//! The disk on RocksDB.
//!
//! The write-ahead log is on for every write and is the only order there is. Recovery accepts a torn tail
//! and refuses everything else: RocksDB's default mode dropped half of the synced records after one flipped
//! byte, silently. Values are ciphertext, so nothing is compressed.

use std::ops::ControlFlow;
use std::path::Path;

use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Direction, IteratorMode,
    Options, ReadOptions, WriteBatch,
};

use super::disk::{Batch, Disk, DiskError, Op, Pair, Space, Visit};
use crate::snapshot::shelf::Shelf;

/// Write buffer of one space in bytes: a few seconds of the heaviest write load, times three spaces.
const WRITE_BUFFER_BYTES: usize = 16 * 1024 * 1024;
/// All write-ahead logs together in bytes: a quiet space must not keep old ones for ever, and reading
/// them back at start takes well under a second.
const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// RocksDB's own text logs kept.
const TEXT_LOGS_KEPT: usize = 4;

/// A disk on RocksDB, in one directory.
pub struct RocksDisk {
    db: DB,
    shelf: Shelf,
}

impl RocksDisk {
    /// Opens or creates the database in `dir/db`, and the snapshot shelf in `dir/snapshots`.
    ///
    /// # Errors
    /// [`DiskError`] with RocksDB's own words, such as a corruption in the middle of the log: the node must
    /// then be wiped and join as a new one.
    pub fn open(dir: &Path) -> Result<Self, DiskError> {
        let failed = |what| move |error: std::io::Error| DiskError { what, detail: error.to_string() };
        let db_dir = dir.join("db");
        std::fs::create_dir_all(&db_dir).map_err(failed("create its directory"))?;
        let shelf = Shelf::open(&dir.join("snapshots")).map_err(failed("open the snapshot shelf"))?;
        let spaces = Space::ALL.map(|space| ColumnFamilyDescriptor::new(space.as_str(), space_options()));
        let db = DB::open_cf_descriptors(&db_options(), db_dir, spaces)
            .map_err(|error| DiskError { what: "open", detail: error.into_string() })?;
        Ok(Self { db, shelf })
    }

    fn space(&self, space: Space) -> &ColumnFamily {
        self.db.cf_handle(space.as_str()).expect("every space is opened in `open`")
    }
}

fn db_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_recycle_log_file_num(0);
    options.set_manual_wal_flush(false);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_keep_log_file_num(TEXT_LOGS_KEPT);
    options
}

fn space_options() -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::None);
    options
}

fn failed(what: &'static str) -> impl Fn(rocksdb::Error) -> DiskError {
    move |error| DiskError { what, detail: error.into_string() }
}

impl Disk for RocksDisk {
    const THREADS: bool = true;

    fn write(&self, batch: &Batch) -> Result<(), DiskError> {
        let mut raw = WriteBatch::default();
        for op in batch.ops() {
            match op {
                Op::Put(space, key, value) => raw.put_cf(self.space(*space), key, value),
                Op::Delete(space, key) => raw.delete_cf(self.space(*space), key),
                Op::DeleteRange(space, from, to) => raw.delete_range_cf(self.space(*space), from, to),
            }
        }
        self.db.write(raw).map_err(failed("write"))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.db.flush_wal(true).map_err(failed("sync its log"))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        self.db.get_cf(self.space(space), key).map_err(failed("read"))
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> Result<(), DiskError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(to);
        let mode = IteratorMode::From(from, Direction::Forward);
        for pair in self.db.iterator_cf_opt(self.space(space), options, mode) {
            let (key, value) = pair.map_err(failed("read"))?;
            if visit(&key, &value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, space: Space) -> Result<Option<Pair>, DiskError> {
        let pair = self.db.iterator_cf(self.space(space), IteratorMode::End).next().transpose();
        Ok(pair.map_err(failed("read"))?.map(|(key, value)| (key.into_vec(), value.into_vec())))
    }

    fn shelf(&self) -> &Shelf {
        &self.shelf
    }
}
