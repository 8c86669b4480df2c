//! A log through any life: appends, restarts, crashes that lose what was not synced, and looks at it.

use std::io;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::disk::{Disk, Folder};

/// What happens to the log next.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// Append this many requests one after the other.
    Append(u64),
    /// Stop and start.
    Restart,
    /// Write without an acknowledgement, then lose power: this share (of 255) of the bytes survives.
    Crash(u8),
    /// State a checkpoint, to be held against the log for ever after.
    Checkpoint,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (1u64..12).prop_map(Action::Append),
        1 => Just(Action::Restart),
        2 => any::<u8>().prop_map(Action::Crash),
        1 => Just(Action::Checkpoint),
    ]
}

/// Bytes of the current segment that a power cut spares, and whether syncs still work.
#[derive(Debug, Default)]
struct Power {
    synced: u64,
    written: u64,
    off: bool,
}

/// A folder whose power can be cut: then no sync succeeds.
struct Powered(Folder, Arc<Mutex<Power>>);

impl Disk for Powered {
    fn begin(&mut self, name: &str, summary: &[u8]) -> io::Result<()> {
        let mut power = self.1.lock().unwrap();
        let length = summary.len() as u64;
        (power.synced, power.written) = (length, length);
        self.0.begin(name, summary)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.1.lock().unwrap().written += bytes.len() as u64;
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut power = self.1.lock().unwrap();
        self.0.sync()?;
        if power.off {
            return Err(io::Error::from_raw_os_error(5));
        }
        power.synced = power.written;
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.0.end()
    }
}

/// The log under test and what the world was told about it.
struct Life {
    dir: TempDir,
    boot: u64,
    power: Arc<Mutex<Power>>,
    log: AuditLog,
    acknowledged: Vec<(Durable, String)>,
    checkpoints: Vec<Checkpoint>,
}

impl Life {
    fn begin() -> Self {
        let (dir, power) = (TempDir::new().unwrap(), Arc::new(Mutex::new(Power::default())));
        let log = Self::open(dir.path(), 1, &power);
        Self { dir, boot: 1, power, log, acknowledged: Vec::new(), checkpoints: Vec::new() }
    }

    fn open(dir: &Path, boot: u64, power: &Arc<Mutex<Power>>) -> AuditLog {
        let disk = |folder| {
            let resumed = segments(dir).last().map_or(0, |last| fs::metadata(last).unwrap().len());
            *power.lock().unwrap() = Power { synced: resumed, written: resumed, off: false };
            Powered(folder, power.clone())
        };
        AuditLog::open_on(dir, identity(boot), settings(SMALL), disk).unwrap()
    }

    async fn step(&mut self, action: Action) {
        match action {
            Action::Append(requests) => self.append(requests).await,
            Action::Restart => self.restart().await,
            Action::Crash(spared) => self.crash(spared).await,
            Action::Checkpoint => self.checkpoints.extend(self.log.checkpoint()),
        }
    }

    async fn append(&mut self, requests: u64) {
        for n in 0..requests {
            let name = format!("{}-{n}", self.acknowledged.len());
            let durable = self.log.append(batch_of(&[entry(Some((n % 3) as u8), &name)])).await.unwrap();
            self.acknowledged.push((durable, name));
        }
    }

    async fn restart(&mut self) {
        self.log.close().await;
        self.boot += 1;
        self.log = Self::open(self.dir.path(), self.boot, &self.power);
    }

    async fn crash(&mut self, spared: u8) {
        self.power.lock().unwrap().off = true;
        let lost = batch_of(&[entry(Some(1), "never acknowledged"); 4]);
        assert!(self.log.append(lost).await.is_err(), "acknowledged without power");
        self.log.close().await;
        let (synced, length) = {
            let power = self.power.lock().unwrap();
            (power.synced, power.synced + (power.written - power.synced) * u64::from(spared) / 255)
        };
        let last = segments(self.dir.path()).pop().unwrap();
        let file = fs::OpenOptions::new().write(true).open(last).unwrap();
        let made = file.metadata().unwrap().len();
        assert!(made >= length, "a segment is as long as what was written to it");
        if spared.is_multiple_of(2) {
            // As it is on a disk: whole sectors survived, and behind them stand the zeros from before.
            file.set_len(synced.max(length - length % 512)).unwrap();
            file.set_len(made).unwrap();
        } else {
            file.set_len(length).unwrap();
        }
        self.boot += 1;
        self.log = Self::open(self.dir.path(), self.boot, &self.power);
    }

    /// What must hold after every action.
    fn check(&self) {
        let signed = self.checkpoints.iter().map(|checkpoint| (checkpoint.clone(), Vec::new()));
        let expect = Expect::default().checkpoints(signed, |_, _| true).unwrap();
        let report = verify(self.dir.path(), &expect).unwrap();
        assert_eq!((report.last_sequence, report.boots), (self.log.size(), self.boot));
        let records: Vec<Record> = export(self.dir.path(), 1).unwrap().map(Result::unwrap).collect();
        for (durable, name) in &self.acknowledged {
            let record = &records[usize::try_from(durable.first()).unwrap() - 1];
            assert_eq!(&record.identifier, name, "an acknowledged record moved or was lost");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_happens_nothing_acknowledged_is_lost(
        actions in proptest::collection::vec(action(), 1..12)
    ) {
        run(async {
            let mut life = Life::begin();
            for action in actions {
                life.step(action).await;
                life.check();
            }
            life.log.close().await;
        });
    }
}
