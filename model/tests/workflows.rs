//! What others have approved is done once: whoever wants it a second time asks them again.

#![allow(clippy::unwrap_used, reason = "tests stop at a surprise")]

use std::collections::BTreeMap;

use model::command::{Action, Answer, Command, IdempotencyKey, Stamp};
use model::commands::{
    ConfigureRoot, CreateTenant, DisableTenant, EnableTenant, OpenWorkflow, RelinkTenant, RollBackJob,
    SetApprovals, StartJob, StepWorkflow, TerminateTenant, UnlinkTenant,
};
use model::id::{CommandId, JobId, LogIndex, RootHandle, RootName, TenantHandle, TenantName, WorkflowId};
use model::job::JobKind;
use model::refusal::Refusal;
use model::state::State;
use model::tenant::{Access, Wrap};
use model::time::ClusterTime;
use model::workflow::{Step, Task, WorkflowState};

const TENANT: TenantHandle = TenantHandle([1; 4]);
const ROOT: RootHandle = RootHandle([2; 4]);
const WANTED: Answer = Answer::Refused(Refusal::ApprovalWanted { wanted: 1 });

/// A tenant that wants one approval and has a root of its own; and the index of the next command.
struct Bench(State, u64);

impl Bench {
    fn new() -> Self {
        let create = CreateTenant {
            handle: TENANT,
            name: TenantName::parse("tenant-a").unwrap(),
            region: "eu".to_owned(),
            labels: BTreeMap::new(),
            lease_ms: 3_000,
            auto_register: true,
            l2_commitment: [0; 32],
            wraps: vec![Wrap { revision: 1, l1_ref: "software:root-1".to_owned(), wrapped: vec![6; 64] }],
        };
        let configure = ConfigureRoot {
            tenant: TENANT,
            handle: ROOT,
            name: RootName::parse("own").unwrap(),
            provider: "transit".to_owned(),
            l1_ref: "transit:k".to_owned(),
            settings: vec![1],
        };
        let mut bench = Self(State::new("eu"), 1);
        bench.act(create);
        bench.act(configure);
        assert_eq!(bench.act(SetApprovals { tenant: TENANT, approvals: 1 }), Answer::Done);
        bench
    }

    fn act(&mut self, action: impl Into<Action>) -> Answer {
        self.act_as(None, action)
    }

    fn act_as(&mut self, key: Option<IdempotencyKey>, action: impl Into<Action>) -> Answer {
        let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(self.1) };
        let command = Command { stamp, idempotency: key, action: action.into() };
        let applied = self.0.apply(LogIndex(self.1), &command);
        self.1 += 1;
        applied.answer
    }

    fn step(&mut self, number: u8, step: Step, by: &str) -> Answer {
        self.act(StepWorkflow { tenant: TENANT, id: id(number), step, by: by.to_owned() })
    }

    /// A workflow that Ann asked for, Bob approved and Ann confirmed.
    fn confirm(&mut self, number: u8, task: Task) {
        assert_eq!(self.act(open(number, task)), Answer::Workflow(id(number)));
        self.step(number, Step::Submit, "ann");
        self.step(number, Step::Approve, "bob");
        assert_eq!(self.step(number, Step::Confirm, "ann"), Answer::Done);
        assert_eq!(self.state_of(number), WorkflowState::Executing);
    }

    fn access(&self) -> Access {
        self.0.tenant(TENANT).unwrap().access
    }

    fn state_of(&self, number: u8) -> WorkflowState {
        self.0.workflow(TENANT, id(number)).unwrap().state
    }
}

fn id(number: u8) -> WorkflowId {
    WorkflowId([number; 16])
}

fn open(number: u8, task: Task) -> OpenWorkflow {
    let (reason, by) = ("moved away".to_owned(), "ann".to_owned());
    OpenWorkflow { id: id(number), tenant: TENANT, task, reason, by }
}

fn unlink() -> UnlinkTenant {
    UnlinkTenant { tenant: TENANT }
}

#[test]
fn an_approval_is_used_up_by_its_deed() {
    let mut bench = Bench::new();
    assert_eq!(bench.act(unlink()), WANTED);
    bench.confirm(1, Task::UnlinkTenant);
    assert_eq!(bench.act(unlink()), Answer::Done);
    assert_eq!(bench.state_of(1), WorkflowState::Settling);
    assert_eq!(bench.state_of(1).as_str(), "executing", "until somebody knows that it holds everywhere");
    assert_eq!(bench.act(unlink()), Answer::Done, "doing again what is done needs nobody's word");
    assert_eq!(bench.act(RelinkTenant { tenant: TENANT }), Answer::Done);
    assert_eq!(bench.act(unlink()), WANTED, "a second time");

    let state = WorkflowState::Settling;
    let failed = bench.step(1, Step::Fail("gone".to_owned()), "ann");
    assert_eq!(failed, Answer::Refused(Refusal::WorkflowState { state }), "it was done");
    assert_eq!(bench.step(1, Step::Succeed, "ann"), Answer::Done);
    assert_eq!(bench.act(unlink()), WANTED);
    assert_eq!(State::from_rows(bench.0.rows()), Ok(bench.0));
}

#[test]
fn the_lock_of_a_disabled_tenant_is_approved_for_once_and_leaves_it_disabled() {
    let (mut bench, relink) = (Bench::new(), RelinkTenant { tenant: TENANT });
    assert_eq!(bench.act(DisableTenant { tenant: TENANT }), Answer::Done);
    bench.confirm(1, Task::UnlinkTenant);
    assert_eq!(bench.act(unlink()), Answer::Done);
    assert_eq!((bench.state_of(1), bench.access()), (WorkflowState::Settling, Access::UnlinkedReadOnly));
    assert_eq!(bench.act(relink.clone()), Answer::Done);
    assert_eq!((bench.state_of(1), bench.access()), (WorkflowState::Settling, Access::ReadOnly));
    assert_eq!((bench.act(unlink()), bench.access()), (WANTED, Access::ReadOnly), "a second time");
    bench.confirm(2, Task::UnlinkTenant);
    assert_eq!((bench.act(unlink()), bench.act(relink)), (Answer::Done, Answer::Done));
    assert_eq!((bench.state_of(2), bench.access()), (WorkflowState::Settling, Access::ReadOnly));
    assert_eq!(bench.act(EnableTenant { tenant: TENANT }), Answer::Done);
    assert_eq!((bench.act(unlink()), bench.access()), (WANTED, Access::Open));
    assert_eq!(State::from_rows(bench.0.rows()), Ok(bench.0));
}

#[test]
fn two_approvals_serve_twice_the_older_one_first() {
    let mut bench = Bench::new();
    bench.confirm(2, Task::UnlinkTenant);
    bench.confirm(1, Task::UnlinkTenant);
    for (used, left) in [(2, Some(1)), (1, None)] {
        assert_eq!(bench.act(unlink()), Answer::Done);
        assert_eq!(bench.state_of(used), WorkflowState::Settling);
        assert!(left.is_none_or(|left| bench.state_of(left) == WorkflowState::Executing));
        bench.act(RelinkTenant { tenant: TENANT });
    }
    assert_eq!(bench.act(unlink()), WANTED);
}

#[test]
fn wanting_fewer_and_moving_are_approved_for_once_too() {
    let mut bench = Bench::new();
    let set = |approvals| SetApprovals { tenant: TENANT, approvals };
    bench.confirm(1, Task::SetApprovals(0));
    for (approvals, answer) in [(0, Answer::Done), (1, Answer::Done), (0, WANTED)] {
        assert_eq!(bench.act(set(approvals)), answer, "{approvals}");
    }
    let start =
        |number| StartJob { tenant: TENANT, id: JobId([number; 8]), kind: JobKind::Migrate, to: vec![ROOT] };
    bench.confirm(2, Task::SwitchRoots(vec![ROOT]));
    assert_eq!(bench.act(start(1)), Answer::Job(JobId([1; 8])));
    let reason = "it did not answer".to_owned();
    assert_eq!(bench.act(RollBackJob { tenant: TENANT, id: JobId([1; 8]), reason }), Answer::Done);
    assert_eq!(bench.act(start(2)), WANTED, "the move was begun once");
}

#[test]
fn an_approval_that_nobody_wanted_any_more_is_used_up_as_well() {
    let mut bench = Bench::new();
    bench.confirm(1, Task::UnlinkTenant);
    bench.confirm(2, Task::SetApprovals(0));
    assert_eq!(bench.act(SetApprovals { tenant: TENANT, approvals: 0 }), Answer::Done);
    assert_eq!(bench.act(unlink()), Answer::Done, "nobody's word is wanted");
    bench.act(RelinkTenant { tenant: TENANT });
    bench.act(SetApprovals { tenant: TENANT, approvals: 1 });
    assert_eq!(bench.act(unlink()), WANTED, "it was given for what has been done");
    assert_eq!(bench.act(TerminateTenant { tenant: TENANT }), WANTED);
}

#[test]
fn what_is_asked_for_twice_under_one_key_is_one_workflow_and_one_step() {
    let mut bench = Bench::new();
    let key = |number| Some(IdempotencyKey { key: [number; 32], request: [number; 32] });
    for number in [1, 2] {
        let answer = bench.act_as(key(1), open(number, Task::UnlinkTenant));
        assert_eq!(answer, Answer::Workflow(id(1)), "the second is the first");
    }
    assert_eq!(bench.0.workflows(TENANT).count(), 1);
    let steps = [(2, Step::Submit, "ann"), (3, Step::Approve, "bob"), (4, Step::Confirm, "ann")];
    for (number, step, by) in steps {
        let command = StepWorkflow { tenant: TENANT, id: id(1), step, by: by.to_owned() };
        for _ in 0..2 {
            assert_eq!(bench.act_as(key(number), command.clone()), Answer::Done, "{:?}", command.step);
        }
    }
    assert_eq!(bench.0.workflow(TENANT, id(1)).unwrap().approvals(), 1);
    assert_eq!(bench.state_of(1), WorkflowState::Executing);
}
