//! A cluster of one: the state, the rows a disk would hold, and everything that happened.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use model::command::{Action, Answer, Applied, Command, IdempotencyKey, Stamp};
use model::commands::{
    AddWraps, AdvanceJob, DropWraps, FreshVersion, LeaseUsage, NoteProof, ReturnUsage, SwitchRoots,
};
use model::id::{CommandId, L2Version, LogIndex, NodeId, RootHandle, TenantHandle};
use model::job::Step as JobStep;
use model::row::{Row, RowKey};
use model::state::State;
use model::tenant::Wrap;
use model::time::ClusterTime;

use crate::invariants;
use crate::script::{ITS_REVISION, NEXT_TERM, NEXT_VERSION, Proposal, Step};

/// The region of the cluster.
pub const REGION: &str = "eu-1";
/// When histories begin, in seconds since the epoch.
pub const START_S: u64 = 1_800_000_000;

/// Stands for "now" in a generated probe.
pub const NOW: ClusterTime = ClusterTime(u64::MAX);

/// One applied log entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was proposed.
    pub command: Command,
    /// What it led to.
    pub applied: Applied,
    /// The earlier entry it repeats, if the state still remembers that one.
    pub replays: Option<LogIndex>,
}

/// What an invariant looks at: one step, before and after.
pub struct Moment<'a> {
    /// The state before.
    pub before: &'a State,
    /// Where the entry lies.
    pub index: LogIndex,
    /// The entry.
    pub entry: &'a Entry,
    /// The state after.
    pub after: &'a State,
    /// The rows a disk holds after the step.
    pub rows: &'a BTreeMap<RowKey, Row>,
    /// All entries before this one; the entry at index `i` lies at `i - 1`.
    pub log: &'a [Entry],
}

/// The cluster.
pub struct World {
    /// Its state.
    pub state: State,
    /// Its log, from index 1.
    pub log: Vec<Entry>,
    rows: BTreeMap<RowKey, Row>,
    clock_ms: i64,
}

impl World {
    /// A new cluster.
    pub fn new() -> Self {
        let state = State::new(REGION);
        let rows = state.rows().collect();
        let clock_ms = i64::try_from(START_S * 1_000).unwrap();
        Self { state, log: Vec::new(), rows, clock_ms }
    }

    /// Lets one step happen and judges it.
    pub fn take(&mut self, step: &Step) {
        self.clock_ms += step.clock_ms;
        let command = match &step.proposal {
            Proposal::New(action, key) => self.request(action, *key),
            Proposal::Repeat(choice) => match self.earlier_request(*choice) {
                Some(command) => command,
                None => return,
            },
        };
        let before = self.state.clone();
        let replays = self.remembered(&command);
        let index = LogIndex(self.log.len() as u64 + 1);
        let applied = self.state.apply(index, &command);
        for (key, row) in &applied.changes.rows {
            match row {
                Some(row) => drop(self.rows.insert(*key, row.clone())),
                None => drop(self.rows.remove(key)),
            }
        }
        let entry = Entry { command, applied, replays };
        let moment = Moment {
            before: &before,
            index,
            entry: &entry,
            after: &self.state,
            rows: &self.rows,
            log: &self.log,
        };
        invariants::judge(&moment);
        self.log.push(entry);
    }

    fn request(&self, action: &Action, key: Option<u8>) -> Command {
        let action = self.resolved(action);
        let mut hasher = DefaultHasher::new();
        hasher.write(format!("{action:?}").as_bytes());
        let mut request = [0; 32];
        request[..8].copy_from_slice(&hasher.finish().to_be_bytes());
        let idempotency = key.map(|key| IdempotencyKey { key: [key; 32], request });
        Command { stamp: self.stamp(), idempotency, action }
    }

    /// Fills in what a proposer reads from the state.
    fn resolved(&self, action: &Action) -> Action {
        let mut action = action.clone();
        match &mut action {
            Action::AddL2Version(command) if command.version == NEXT_VERSION => {
                let tenant = self.state.tenant(command.tenant);
                let primary = tenant.and_then(|tenant| tenant.primary()).map(|l2| l2.version);
                if let Some(tenant) = self.state.tenant(command.tenant) {
                    command.wraps = self.wraps_by(command.tenant, &tenant.roots);
                }
                command.version = primary.and_then(L2Version::next).unwrap_or(L2Version(1));
            }
            Action::ChangeAttributes(command) if command.if_revision == ITS_REVISION => {
                let object = self.state.object(command.uid.header.fields().tenant, &command.uid);
                command.if_revision = object.map_or(LogIndex(0), |object| object.revision);
            }
            Action::ReplaceMaterial(command) if command.if_revision == ITS_REVISION => {
                let object = self.state.object(command.uid.header.fields().tenant, &command.uid);
                command.if_revision = object.map_or(LogIndex(0), |object| object.revision);
            }
            Action::LeaseUsage(LeaseUsage { uid, since, .. })
            | Action::ReturnUsage(ReturnUsage { uid, since, .. })
                if *since == ITS_REVISION =>
            {
                let object = self.state.object(uid.header.fields().tenant, uid);
                *since = object.map_or(LogIndex(0), |object| object.usage_since);
            }
            Action::CommitTogether(command) => {
                command.actions = command.actions.iter().map(|action| self.resolved(action)).collect();
            }
            Action::SetTenantLabels(command) if command.if_revision == Some(ITS_REVISION) => {
                command.if_revision = self.state.tenant(command.tenant).map(|tenant| tenant.revision);
            }
            Action::SetTenantLease(command) if command.if_revision == Some(ITS_REVISION) => {
                command.if_revision = self.state.tenant(command.tenant).map(|tenant| tenant.revision);
            }
            Action::LeaseTookEffect(command) if command.lowered_at == ITS_REVISION => {
                let lowered = self.state.tenant(command.tenant).and_then(|tenant| tenant.lowered);
                command.lowered_at = lowered.map_or(LogIndex(0), |lowered| lowered.at);
            }
            Action::SpreadBarrierTerm(command) if command.term == NEXT_TERM => {
                command.term = self.state.barrier().current + 1;
            }
            Action::NoteBarrierTerm(command) if command.term == NEXT_TERM => {
                command.term = self.spreading_term();
                let wanted = |node| self.state.barrier().wanted_from(node).is_some();
                let waited_for =
                    self.state.joined_nodes().map(|joined| joined.node).find(|node| wanted(*node));
                command.node = waited_for.unwrap_or(command.node);
            }
            Action::SwitchBarrierTerm(command) if command.term == NEXT_TERM => {
                command.term = self.spreading_term();
            }
            Action::NoteProbes(command) => {
                for probe in command.probes.iter_mut().filter(|probe| probe.began == NOW) {
                    probe.began = self.stamp().time;
                    if probe.described == Some(ITS_REVISION) {
                        probe.described = self.state.described(probe.root);
                    }
                }
            }
            _ => self.resolve_job(&mut action),
        }
        action
    }

    /// The term on its way to every node; 0 stands for none.
    fn spreading_term(&self) -> u32 {
        self.state.barrier().spreading.as_ref().map_or(0, |spreading| spreading.term)
    }

    /// One wrap by each of these roots of a tenant; none: the platform's.
    fn wraps_by(&self, tenant: TenantHandle, roots: &[RootHandle]) -> Vec<Wrap> {
        let of = |l1_ref: String| Wrap { revision: 2, l1_ref, wrapped: vec![6; 64] };
        let own = roots.iter().filter_map(|root| self.state.root(tenant, *root));
        let own: Vec<Wrap> = own.map(|root| of(root.l1_ref.clone())).collect();
        if roots.is_empty() { vec![of("software:root-1".to_owned())] } else { own }
    }

    /// Makes a step speak of the job that runs on its tenant, with what the step needs.
    fn resolve_job(&self, action: &mut Action) {
        let wraps = |tenant, to: &[RootHandle]| self.wraps_by(tenant, to);
        let running = |tenant| self.state.running_job(tenant).zip(self.state.tenant(tenant));
        // A step forward is whatever the job is at: what it is for comes before it is left.
        if let Action::AdvanceJob(AdvanceJob { tenant, id, .. }) = action
            && let Some((job, record)) = running(*tenant)
        {
            let (tenant, id) = (*tenant, *id);
            let all = job.done as usize >= record.versions.len();
            match job.step {
                JobStep::Wrap if !all => {
                    *action = AddWraps { tenant, id, first: 0, wraps: Vec::new() }.into()
                }
                JobStep::Prove if job.proofs.is_empty() => {
                    *action = NoteProof { tenant, id, node: NodeId(1) }.into();
                }
                JobStep::Switch => *action = SwitchRoots { tenant, id, fresh: None }.into(),
                JobStep::Drop => *action = DropWraps { tenant, id }.into(),
                _ => {}
            }
        }
        match action {
            Action::AdvanceJob(step) => {
                if let Some((job, _)) = running(step.tenant) {
                    (step.id, step.from) = (job.id, job.step);
                }
            }
            Action::AddWraps(step) => {
                if let Some((job, tenant)) = running(step.tenant) {
                    let left = tenant.versions.len().saturating_sub(job.done as usize).min(2);
                    (step.id, step.first) = (job.id, job.done);
                    step.wraps = vec![wraps(step.tenant, &job.to); left];
                }
            }
            Action::SwitchRoots(step) => {
                if let Some((job, tenant)) = running(step.tenant) {
                    step.id = job.id;
                    let version = tenant.next_version();
                    step.fresh = version.filter(|_| job.drops_a_root()).map(|version| FreshVersion {
                        version,
                        commitment: [3; 32],
                        wraps: wraps(step.tenant, &job.to),
                    });
                }
            }
            Action::NoteProof(step) => step.id = running(step.tenant).map_or(step.id, |(job, _)| job.id),
            Action::DropWraps(step) => step.id = running(step.tenant).map_or(step.id, |(job, _)| job.id),
            Action::RollBackJob(step) => step.id = running(step.tenant).map_or(step.id, |(job, _)| job.id),
            _ => {}
        }
    }

    fn earlier_request(&self, choice: usize) -> Option<Command> {
        let keyed: Vec<_> = self.log.iter().filter(|entry| entry.command.idempotency.is_some()).collect();
        let entry = keyed.get(choice.checked_rem(keyed.len())?)?;
        Some(Command { stamp: self.stamp(), ..entry.command.clone() })
    }

    fn stamp(&self) -> Stamp {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(self.log.len() as u64).to_be_bytes());
        Stamp { id: CommandId(id), time: ClusterTime(u64::try_from(self.clock_ms).unwrap()) }
    }

    /// The accepted entry that this request repeats, worked out from the log alone.
    fn remembered(&self, command: &Command) -> Option<LogIndex> {
        let key = command.idempotency?;
        let now = self.state.cluster().time.max(command.stamp.time);
        let accepted =
            |entry: &Entry| entry.replays.is_none() && !matches!(entry.applied.answer, Answer::Refused(_));
        let position = self.log.iter().rposition(|entry| {
            accepted(entry) && entry.command.idempotency.is_some_and(|known| known.key == key.key)
        })?;
        let original = &self.log[position];
        let Some((_, Some(Row::Idempotency(row)))) = original
            .applied
            .changes
            .rows
            .iter()
            .find(|(row_key, row)| *row_key == RowKey::Idempotency(key.key) && row.is_some())
        else {
            panic!("an accepted request with a key is remembered");
        };
        let same = original.command.idempotency.is_some_and(|known| known.request == key.request);
        (same && row.expires > now).then_some(LogIndex(position as u64 + 1))
    }
}
