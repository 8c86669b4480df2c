//! Commands: the only way the state changes. One table lists them all.
//!
//! The proposer chooses every id, nonce and wrap; the leader stamps the time; the command carries them,
//! so that `check` and `apply` are pure (CONSISTENCY 9).

use serde::{Deserialize, Serialize};

use crate::commands::{
    ActivateFormat, ActivateObject, AddL2Version, AddWraps, AdvanceGroup, AdvanceJob, AllowCertificates,
    ArchiveObject, ChangeAttributes, CommitTogether, ConfigureRoot, CreateTenant, DenyCertificates,
    DestroyObject, DisableTenant, DropWraps, EnableTenant, EndTicket, IssueBootId, IssueJoinToken,
    IssueTicket, JoinNode, LeaseTookEffect, LeaseUsage, MarkServed, NodeRetired, NoteBarrierTerm, NoteProbes,
    NoteProof, OpenWorkflow, RecordObject, RecoverObject, RegisterObject, RegisterService, RelinkTenant,
    RemoveRoot, ReplaceMaterial, ReplaceRootCredentials, ResumeService, ResumeTenant, RetireNode,
    ReturnUsage, RevokeObject, RollBackJob, SetApprovals, SetNodeRole, SetRootPolicy, SetServicePolicy,
    SetTenantLabels, SetTenantLease, ShredService, SpreadBarrierTerm, StartJob, StepWorkflow, SuspendService,
    SuspendTenant, SwitchBarrierTerm, SwitchRoots, TakeUsage, TerminateTenant, UnlinkTenant, UseTicket,
};
use crate::id::{
    BootId, CommandId, JobId, L2Version, LogIndex, NodeId, RootHandle, ServiceHandle, TenantHandle,
    WorkflowId,
};
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};
use crate::time::ClusterTime;
use crate::uid::Uid;

/// What proposer and leader put on a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Random, made by the proposer; bound into the sealed log payload (CONSISTENCY 8).
    pub id: CommandId,
    /// Set by the leader at the moment of proposing.
    pub time: ClusterTime,
}

/// Makes a repeated request have its effect once. Scope it to the caller before hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// Hash of scope and key as the caller gave it.
    pub key: [u8; 32],
    /// Hash of the request: the same key for another request is refused.
    pub request: [u8; 32],
}

/// A command as it travels through the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Identity and time.
    pub stamp: Stamp,
    /// For administration requests; KMIP has none (identifier and operation are the key there).
    pub idempotency: Option<IdempotencyKey>,
    /// What to do.
    pub action: Action,
}

/// What every command file provides.
pub(crate) trait Apply {
    /// May refuse, touches nothing.
    fn check(&self, state: &State, at: &At) -> Result<(), Refusal>;
    /// Cannot fail: `check` has passed on this very state.
    fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer;
}

/// One row per command: its variant and type, its name everywhere, whether it withdraws
/// (CONSISTENCY 3: it can turn an allowed answer into a refusal). Rows are appended, never moved: their
/// order is part of the stored format.
macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident => $name:literal, withdraws: $withdraws:expr;)*) => {
        /// What a command does.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Action {
            $($(#[$doc])* $variant($variant),)*
        }

        impl Action {
            /// Every name, in the stored order.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The command's name in logs, metrics and audit.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Whether the command, taking effect at `now`, can turn an allowed answer into a refusal;
            /// its acknowledgement then waits for the barrier (CONSISTENCY 3).
            #[must_use]
            pub fn withdraws(&self, now: ClusterTime) -> bool {
                match self {
                    $(Self::$variant(command) => {
                        let withdraws: fn(&$variant, ClusterTime) -> bool = $withdraws;
                        withdraws(command, now)
                    })*
                }
            }

            /// The object it is about, if it is about one alone.
            #[must_use]
            pub fn object(&self) -> Option<&Uid> {
                match self {
                    Self::RecordObject(command) => Some(&command.uid),
                    Self::RegisterObject(command) => Some(&command.uid),
                    Self::ReplaceMaterial(command) => Some(&command.uid),
                    Self::ActivateObject(command) => Some(&command.uid),
                    Self::RevokeObject(command) => Some(&command.uid),
                    Self::DestroyObject(command) => Some(&command.uid),
                    Self::ChangeAttributes(command) => Some(&command.uid),
                    Self::ArchiveObject(command) => Some(&command.uid),
                    Self::RecoverObject(command) => Some(&command.uid),
                    Self::TakeUsage(command) => Some(&command.uid),
                    Self::MarkServed(command) => Some(&command.uid),
                    Self::LeaseUsage(command) => Some(&command.uid),
                    Self::ReturnUsage(command) => Some(&command.uid),
                    _ => None,
                }
            }

            /// The tenant it is about, if it is about one alone: barriers then wait for that tenant's lease
            /// only (CONSISTENCY 2).
            #[must_use]
            pub fn tenant(&self) -> Option<TenantHandle> {
                match self {
                    Self::CreateTenant(command) => Some(command.handle),
                    Self::SetTenantLabels(command) => Some(command.tenant),
                    Self::SuspendTenant(command) => Some(command.tenant),
                    Self::ResumeTenant(command) => Some(command.tenant),
                    Self::TerminateTenant(command) => Some(command.tenant),
                    Self::AddL2Version(command) => Some(command.tenant),
                    Self::RegisterService(command) => Some(command.tenant),
                    Self::SetServicePolicy(command) => Some(command.tenant),
                    Self::SuspendService(command) => Some(command.tenant),
                    Self::ResumeService(command) => Some(command.tenant),
                    Self::ShredService(command) => Some(command.tenant),
                    Self::AdvanceGroup(command) => Some(command.tenant),
                    Self::SetTenantLease(command) => Some(command.tenant),
                    Self::LeaseTookEffect(command) => Some(command.tenant),
                    Self::IssueTicket(command) => Some(command.uid.header.fields().tenant),
                    Self::UseTicket(command) => Some(command.uid.header.fields().tenant),
                    Self::EndTicket(command) => Some(command.uid.header.fields().tenant),
                    // Checked to be about objects of one tenant.
                    Self::CommitTogether(command) => command.actions.first().and_then(Self::tenant),
                    _ => self.object().map(|uid| uid.header.fields().tenant),
                }
            }

            pub(crate) fn check(&self, state: &State, at: &At) -> Result<(), Refusal> {
                match self { $(Self::$variant(command) => command.check(state, at),)* }
            }

            pub(crate) fn apply(&self, state: &mut State, at: &At, changes: &mut Changes) -> Answer {
                match self { $(Self::$variant(command) => command.apply(state, at, changes),)* }
            }
        }

        $(impl From<$variant> for Action {
            fn from(command: $variant) -> Self {
                Self::$variant(command)
            }
        })*
    };
}

commands! {
    /// A process start asks for its number.
    IssueBootId => "issue_boot_id", withdraws: |_, _| false;
    /// A new tenant with its first L2 version.
    CreateTenant => "create_tenant", withdraws: |_, _| false;
    /// Replaces a tenant's labels.
    SetTenantLabels => "set_tenant_labels", withdraws: |_, _| false;
    /// Refuses every answer for a tenant until it is resumed.
    SuspendTenant => "suspend_tenant", withdraws: |_, _| true;
    /// Ends a suspension.
    ResumeTenant => "resume_tenant", withdraws: |_, _| false;
    /// Ends a tenant for ever.
    TerminateTenant => "terminate_tenant", withdraws: |_, _| true;
    /// A new L2 version becomes the primary.
    AddL2Version => "add_l2_version", withdraws: |_, _| false;
    /// Insert-if-absent by (tenant, name).
    RegisterService => "register_service", withdraws: |_, _| false;
    /// Replaces a service's policy.
    SetServicePolicy => "set_service_policy", withdraws: |command, _| command.policy.withdraws();
    /// Refuses every answer for a service until it is resumed.
    SuspendService => "suspend_service", withdraws: |_, _| true;
    /// Ends a suspension.
    ResumeService => "resume_service", withdraws: |_, _| false;
    /// Erases a service's seed.
    ShredService => "shred_service", withdraws: |_, _| true;
    /// A recorded derived key (kind 2).
    RecordObject => "record_object", withdraws: |_, _| false;
    /// Registered material (kind 3).
    RegisterObject => "register_object", withdraws: |_, _| false;
    /// KMIP Activate.
    ActivateObject => "activate_object", withdraws: |_, _| false;
    /// KMIP Revoke.
    RevokeObject => "revoke_object", withdraws: |_, _| true;
    /// KMIP Destroy.
    DestroyObject => "destroy_object", withdraws: |_, _| true;
    /// Names, dates and attributes of an object.
    ChangeAttributes => "change_attributes", withdraws: ChangeAttributes::withdraws_at;
    /// A new node gets its id.
    JoinNode => "join_node", withdraws: |_, _| false;
    /// KMIP Archive.
    ArchiveObject => "archive_object", withdraws: |_, _| true;
    /// KMIP Recover.
    RecoverObject => "recover_object", withdraws: |_, _| false;
    /// A use that a limit counts.
    TakeUsage => "take_usage", withdraws: |_, _| false;
    /// The first Get of an object.
    MarkServed => "mark_served", withdraws: |_, _| false;
    /// KMIP Import over an object that exists.
    ReplaceMaterial => "replace_material", withdraws: |_, _| true;
    /// Several actions, all or none.
    CommitTogether => "commit_together", withdraws: CommitTogether::withdraws_at;
    /// An asynchronous answer, a login, a session.
    IssueTicket => "issue_ticket", withdraws: |_, _| false;
    /// One request on a login.
    UseTicket => "use_ticket", withdraws: |_, _| false;
    /// A ticket given back.
    EndTicket => "end_ticket", withdraws: |_, _| true;
    /// Whose turn it is in an Object Group.
    AdvanceGroup => "advance_group", withdraws: |_, _| false;
    /// A node begins to leave.
    RetireNode => "retire_node", withdraws: |_, _| false;
    /// A node's last lease has run out.
    NodeRetired => "node_retired", withdraws: |_, _| false;
    /// Another lease length. Whether it is a lower one, only the state knows: always waiting costs little.
    SetTenantLease => "set_tenant_lease", withdraws: |_, _| true;
    /// A lowered lease is in effect everywhere.
    LeaseTookEffect => "lease_took_effect", withdraws: |_, _| false;
    /// Refuses every answer to these certificates.
    DenyCertificates => "deny_certificates", withdraws: |_, _| true;
    /// Takes denials back.
    AllowCertificates => "allow_certificates", withdraws: |_, _| false;
    /// A node's block of a usage limit.
    LeaseUsage => "lease_usage", withdraws: |_, _| false;
    /// What a node did not use of its blocks.
    ReturnUsage => "return_usage", withdraws: |_, _| false;
    /// The kill switch: total lock until the tenant is linked again.
    UnlinkTenant => "unlink_tenant", withdraws: |_, _| true;
    /// Ends the lock.
    RelinkTenant => "relink_tenant", withdraws: |_, _| false;
    /// Existing keys are given, no new ones are made.
    DisableTenant => "disable_tenant", withdraws: |_, _| true;
    /// New keys are made again.
    EnableTenant => "enable_tenant", withdraws: |_, _| false;
    /// A root of a tenant's own that passed its test.
    ConfigureRoot => "configure_root", withdraws: |_, _| false;
    /// Forgets a root that wraps nothing.
    RemoveRoot => "remove_root", withdraws: |_, _| false;
    /// Grace without an answer of the root, and rotation by age; a shorter grace may close a tenant.
    SetRootPolicy => "set_root_policy", withdraws: |_, _| true;
    /// Evidence about the health of roots.
    NoteProbes => "note_probes", withdraws: NoteProbes::withdraws_at;
    /// Begins a job on a tenant.
    StartJob => "start_job", withdraws: |_, _| false;
    /// Leaves a step of a job.
    AdvanceJob => "advance_job", withdraws: |_, _| false;
    /// Wraps by the roots to be.
    AddWraps => "add_wraps", withdraws: |_, _| false;
    /// A node unwraps by the roots to be.
    NoteProof => "note_proof", withdraws: |_, _| false;
    /// The roots to be become the tenant's.
    SwitchRoots => "switch_roots", withdraws: |_, _| false;
    /// Drops the wraps of roots that left.
    DropWraps => "drop_wraps", withdraws: |_, _| false;
    /// Makes everything as it was before a job.
    RollBackJob => "roll_back_job", withdraws: |_, _| false;
    /// A token that lets one node in.
    IssueJoinToken => "issue_join_token", withdraws: |_, _| false;
    /// Whether a node may vote.
    SetNodeRole => "set_node_role", withdraws: |_, _| false;
    /// The cluster behaves as a newer format version says.
    ActivateFormat => "activate_format", withdraws: |_, _| false;
    /// A dangerous deed is asked for.
    OpenWorkflow => "open_workflow", withdraws: |_, _| false;
    /// Somebody says yes, no, go on or stop.
    StepWorkflow => "step_workflow", withdraws: |_, _| false;
    /// How many approvals dangerous deeds want.
    SetApprovals => "set_approvals", withdraws: |_, _| false;
    /// A new term of the barrier begins its way to every node.
    SpreadBarrierTerm => "spread_barrier_term", withdraws: |_, _| false;
    /// A node keeps the new term.
    NoteBarrierTerm => "note_barrier_term", withdraws: |_, _| false;
    /// The new term seals.
    SwitchBarrierTerm => "switch_barrier_term", withdraws: |_, _| false;
    /// What proves us to a root from now on.
    ReplaceRootCredentials => "replace_root_credentials", withdraws: |_, _| false;
}

/// What a command led to; the same on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It took effect.
    Done,
    /// The process start has its number.
    BootId(BootId),
    /// The tenant exists now.
    Tenant(TenantHandle),
    /// The service exists, now or already.
    Service {
        /// The stored handle: the losing proposer of a race uses it.
        handle: ServiceHandle,
        /// Whether this command made it.
        created: bool,
    },
    /// The L2 version exists now.
    L2Version(L2Version),
    /// Nothing changed.
    Refused(Refusal),
    /// The node has this id, now or already.
    Node(NodeId),
    /// The root is configured.
    Root(RootHandle),
    /// The job has begun.
    Job(JobId),
    /// The workflow is drafted.
    Workflow(WorkflowId),
}

/// The outcome of applying one log entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What the proposer is told.
    pub answer: Answer,
    /// The withdrawal whose barrier the answer must pass, if it lets a caller conclude that one holds.
    pub withdrawal: Option<LogIndex>,
    /// Rows to write and epochs to close.
    pub changes: Changes,
}
