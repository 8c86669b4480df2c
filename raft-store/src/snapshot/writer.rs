//! Writing a snapshot from one frozen view of the state.

use model::row::{Row, RowKey};
use model::sealer::Sealer;
use model::state::State;

use super::{BadSnapshot, CHUNK_BYTES, DIGEST_LEN, SnapshotData, SnapshotWriter, chain, chunk_aad};
use crate::codec::{self, records};
use crate::types::SnapshotMeta;

/// Writes the whole state and syncs it. Takes its time: not for a thread that serves.
///
/// # Errors
/// [`BadSnapshot::File`] if the file cannot be written.
pub(crate) fn write(
    out: SnapshotWriter,
    sealer: &dyn Sealer,
    meta: &SnapshotMeta,
    state: &State,
) -> Result<SnapshotData, BadSnapshot> {
    let mut writing = Writing::begin(out, sealer, meta)?;
    let mut chunk: Vec<(RowKey, Row)> = Vec::new();
    let mut bytes = 0;
    for (key, row) in state.rows() {
        bytes += codec::encode_row(&key, &row)?.len();
        chunk.push((key, row));
        if bytes >= CHUNK_BYTES {
            writing.chunk(&chunk)?;
            chunk.clear();
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        writing.chunk(&chunk)?;
    }
    writing.end()
}

struct Writing<'a> {
    out: SnapshotWriter,
    sealer: &'a dyn Sealer,
    meta: Vec<u8>,
    digest: [u8; DIGEST_LEN],
    chunks: u32,
    rows: u64,
}

impl<'a> Writing<'a> {
    fn begin(
        mut out: SnapshotWriter,
        sealer: &'a dyn Sealer,
        meta: &SnapshotMeta,
    ) -> Result<Self, BadSnapshot> {
        let meta = records::encode_snapshot_meta(meta)?;
        out.write(&length(&meta))?;
        out.write(&meta)?;
        let digest = chain(sealer, &[0; DIGEST_LEN], &meta);
        Ok(Self { out, sealer, meta, digest, chunks: 0, rows: 0 })
    }

    fn chunk(&mut self, rows: &[(RowKey, Row)]) -> Result<(), BadSnapshot> {
        let aad = chunk_aad(self.sealer, &self.meta, self.chunks);
        let sealed = self.sealer.seal(&aad, &codec::encode_rows(rows)?);
        self.out.write(&length(&sealed))?;
        self.out.write(&crc32c::crc32c(&sealed).to_be_bytes())?;
        self.out.write(&sealed)?;
        self.digest = chain(self.sealer, &self.digest, &sealed);
        self.chunks += 1;
        self.rows += rows.len() as u64;
        Ok(())
    }

    fn end(mut self) -> Result<SnapshotData, BadSnapshot> {
        let rows = self.rows.to_be_bytes();
        self.out.write(&0_u32.to_be_bytes())?;
        self.out.write(&rows)?;
        self.out.write(&chain(self.sealer, &self.digest, &rows))?;
        Ok(self.out.finish()?)
    }
}

fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).expect("a part has at most 17 MiB").to_be_bytes()
}
