//! One file per command: its fields, when it is refused, what it changes.

mod advance_group;
mod archive;
mod change_attributes;
mod create_tenant;
mod destroy_object;
mod issue_boot_id;
mod join_node;
mod l2_version;
mod object_state;
mod object_use;
mod record_object;
mod register_service;
mod service_state;
mod tenant_labels;
mod tenant_state;
mod tickets;
mod together;

pub use advance_group::AdvanceGroup;
pub use archive::{ArchiveObject, RecoverObject};
pub use change_attributes::{ChangeAttributes, Dates};
pub use create_tenant::CreateTenant;
pub use destroy_object::DestroyObject;
pub use issue_boot_id::IssueBootId;
pub use join_node::{JOINED_MAX, JoinNode, NODE_NAME_BYTES_MAX};
pub use l2_version::AddL2Version;
pub use object_state::{ActivateObject, RevokeObject};
pub use object_use::{MarkServed, TakeUsage};
pub use record_object::{Description, RecordObject, RegisterObject, ReplaceMaterial};
pub use register_service::{RegisterService, SetServicePolicy};
pub use service_state::{ResumeService, ShredService, SuspendService};
pub use tenant_labels::SetTenantLabels;
pub use tenant_state::{ResumeTenant, SuspendTenant, TerminateTenant};
pub use tickets::{EndTicket, IssueTicket, UseTicket};
pub use together::{CommitTogether, TOGETHER_MAX};
