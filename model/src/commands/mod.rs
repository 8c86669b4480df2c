//! One file per command: its fields, when it is refused, what it changes.

mod activate_format;
mod advance_group;
mod archive;
mod certificates;
mod change_attributes;
mod create_tenant;
mod destroy_object;
mod issue_boot_id;
mod jobs;
mod join_node;
mod join_token;
mod l2_version;
mod node_leaving;
mod note_probes;
mod object_state;
mod object_use;
mod record_object;
mod register_service;
mod roots;
mod service_state;
mod set_node_role;
mod tenant_access;
mod tenant_labels;
mod tenant_lease;
mod tenant_state;
mod tickets;
mod together;

pub use activate_format::ActivateFormat;
pub use advance_group::AdvanceGroup;
pub use archive::{ArchiveObject, RecoverObject};
pub use certificates::{AllowCertificates, DenyCertificates};
pub use change_attributes::{ChangeAttributes, Dates};
pub use create_tenant::CreateTenant;
pub use destroy_object::DestroyObject;
pub use issue_boot_id::IssueBootId;
pub use jobs::{
    AddWraps, AdvanceJob, DropWraps, FreshVersion, NoteProof, RollBackJob, StartJob, SwitchRoots,
};
pub use join_node::{JOINED_MAX, JoinNode, NODE_NAME_BYTES_MAX};
pub use join_token::{IssueJoinToken, JOIN_TOKEN_MS_MAX, JOIN_TOKENS_MAX};
pub use l2_version::AddL2Version;
pub use node_leaving::{NodeRetired, RetireNode};
pub use note_probes::{NoteProbes, PROBES_MAX, Probe};
pub use object_state::{ActivateObject, RevokeObject};
pub use object_use::{LeaseUsage, MarkServed, ReturnUsage, TakeUsage};
pub use record_object::{Description, RecordObject, RegisterObject, ReplaceMaterial};
pub use register_service::{RegisterService, SetServicePolicy};
pub use roots::{ConfigureRoot, RemoveRoot, SetRootPolicy};
pub use service_state::{ResumeService, ShredService, SuspendService};
pub use set_node_role::SetNodeRole;
pub use tenant_access::{DisableTenant, EnableTenant, RelinkTenant, UnlinkTenant};
pub use tenant_labels::SetTenantLabels;
pub use tenant_lease::{LeaseTookEffect, SetTenantLease};
pub use tenant_state::{ResumeTenant, SuspendTenant, TerminateTenant};
pub use tickets::{EndTicket, IssueTicket, UseTicket};
pub use together::{CommitTogether, TOGETHER_MAX};
