//! What others have approved is done once: whoever wants it a second time asks them again.

#![allow(clippy::unwrap_used, reason = "tests stop at a surprise")]

mod bench;

use model::command::{Answer, IdempotencyKey};
use model::commands::{
    DisableTenant, EnableTenant, OpenWorkflow, RelinkTenant, RollBackJob, SetApprovals, StartJob,
    StepWorkflow, TerminateTenant, UnlinkTenant,
};
use model::id::{JobId, WorkflowId};
use model::job::JobKind;
use model::refusal::Refusal;
use model::state::State;
use model::tenant::Access;
use model::workflow::{Step, Task, WorkflowState};

use bench::{Bench, ROOT, TENANT};

const WANTED: Answer = Answer::Refused(Refusal::ApprovalWanted { wanted: 1 });

/// A tenant that wants one approval and has a root of its own.
fn bench() -> Bench {
    let mut bench = Bench::new();
    assert_eq!(bench.apply(SetApprovals { tenant: TENANT, approvals: 1 }), Answer::Done);
    bench
}

impl Bench {
    fn step(&mut self, number: u8, step: Step, by: &str) -> Answer {
        self.apply(StepWorkflow { tenant: TENANT, id: id(number), step, by: by.to_owned() })
    }

    /// A workflow that Ann asked for, Bob approved and Ann confirmed.
    fn confirm(&mut self, number: u8, task: Task) {
        assert_eq!(self.apply(open(number, task)), Answer::Workflow(id(number)));
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
    let mut bench = bench();
    assert_eq!(bench.apply(unlink()), WANTED);
    bench.confirm(1, Task::UnlinkTenant);
    assert_eq!(bench.apply(unlink()), Answer::Done);
    assert_eq!(bench.state_of(1), WorkflowState::Settling);
    assert_eq!(bench.state_of(1).as_str(), "executing", "until somebody knows that it holds everywhere");
    assert_eq!(bench.apply(unlink()), Answer::Done, "doing again what is done needs nobody's word");
    assert_eq!(bench.apply(RelinkTenant { tenant: TENANT }), Answer::Done);
    assert_eq!(bench.apply(unlink()), WANTED, "a second time");

    let state = WorkflowState::Settling;
    let failed = bench.step(1, Step::Fail("gone".to_owned()), "ann");
    assert_eq!(failed, Answer::Refused(Refusal::WorkflowState { state }), "it was done");
    assert_eq!(bench.step(1, Step::Succeed, "ann"), Answer::Done);
    assert_eq!(bench.apply(unlink()), WANTED);
    assert_eq!(State::from_rows(bench.0.rows()), Ok(bench.0));
}

#[test]
fn the_lock_of_a_disabled_tenant_is_approved_for_once_and_leaves_it_disabled() {
    let (mut bench, relink) = (bench(), RelinkTenant { tenant: TENANT });
    assert_eq!(bench.apply(DisableTenant { tenant: TENANT }), Answer::Done);
    bench.confirm(1, Task::UnlinkTenant);
    assert_eq!(bench.apply(unlink()), Answer::Done);
    assert_eq!((bench.state_of(1), bench.access()), (WorkflowState::Settling, Access::UnlinkedReadOnly));
    assert_eq!(bench.apply(relink.clone()), Answer::Done);
    assert_eq!((bench.state_of(1), bench.access()), (WorkflowState::Settling, Access::ReadOnly));
    assert_eq!((bench.apply(unlink()), bench.access()), (WANTED, Access::ReadOnly), "a second time");
    bench.confirm(2, Task::UnlinkTenant);
    assert_eq!((bench.apply(unlink()), bench.apply(relink)), (Answer::Done, Answer::Done));
    assert_eq!((bench.state_of(2), bench.access()), (WorkflowState::Settling, Access::ReadOnly));
    assert_eq!(bench.apply(EnableTenant { tenant: TENANT }), Answer::Done);
    assert_eq!((bench.apply(unlink()), bench.access()), (WANTED, Access::Open));
    assert_eq!(State::from_rows(bench.0.rows()), Ok(bench.0));
}

#[test]
fn two_approvals_serve_twice_the_older_one_first() {
    let mut bench = bench();
    bench.confirm(2, Task::UnlinkTenant);
    bench.confirm(1, Task::UnlinkTenant);
    for (used, left) in [(2, Some(1)), (1, None)] {
        assert_eq!(bench.apply(unlink()), Answer::Done);
        assert_eq!(bench.state_of(used), WorkflowState::Settling);
        assert!(left.is_none_or(|left| bench.state_of(left) == WorkflowState::Executing));
        bench.apply(RelinkTenant { tenant: TENANT });
    }
    assert_eq!(bench.apply(unlink()), WANTED);
}

#[test]
fn wanting_fewer_and_moving_are_approved_for_once_too() {
    let mut bench = bench();
    let set = |approvals| SetApprovals { tenant: TENANT, approvals };
    bench.confirm(1, Task::SetApprovals(0));
    for (approvals, answer) in [(0, Answer::Done), (1, Answer::Done), (0, WANTED)] {
        assert_eq!(bench.apply(set(approvals)), answer, "{approvals}");
    }
    let start =
        |number| StartJob { tenant: TENANT, id: JobId([number; 8]), kind: JobKind::Migrate, to: vec![ROOT] };
    bench.confirm(2, Task::SwitchRoots(vec![ROOT]));
    assert_eq!(bench.apply(start(1)), Answer::Job(JobId([1; 8])));
    let reason = "it did not answer".to_owned();
    assert_eq!(bench.apply(RollBackJob { tenant: TENANT, id: JobId([1; 8]), reason }), Answer::Done);
    assert_eq!(bench.apply(start(2)), WANTED, "the move was begun once");
}

#[test]
fn an_approval_that_nobody_wanted_any_more_is_used_up_as_well() {
    let mut bench = bench();
    bench.confirm(1, Task::UnlinkTenant);
    bench.confirm(2, Task::SetApprovals(0));
    assert_eq!(bench.apply(SetApprovals { tenant: TENANT, approvals: 0 }), Answer::Done);
    assert_eq!(bench.apply(unlink()), Answer::Done, "nobody's word is wanted");
    bench.apply(RelinkTenant { tenant: TENANT });
    bench.apply(SetApprovals { tenant: TENANT, approvals: 1 });
    assert_eq!(bench.apply(unlink()), WANTED, "it was given for what has been done");
    assert_eq!(bench.apply(TerminateTenant { tenant: TENANT }), WANTED);
}

#[test]
fn what_is_asked_for_twice_under_one_key_is_one_workflow_and_one_step() {
    let mut bench = bench();
    let key = |number| Some(IdempotencyKey { key: [number; 32], request: [number; 32] });
    for number in [1, 2] {
        let answer = bench.apply_as(key(1), open(number, Task::UnlinkTenant));
        assert_eq!(answer, Answer::Workflow(id(1)), "the second is the first");
    }
    assert_eq!(bench.0.workflows(TENANT).count(), 1);
    let steps = [(2, Step::Submit, "ann"), (3, Step::Approve, "bob"), (4, Step::Confirm, "ann")];
    for (number, step, by) in steps {
        let command = StepWorkflow { tenant: TENANT, id: id(1), step, by: by.to_owned() };
        for _ in 0..2 {
            assert_eq!(bench.apply_as(key(number), command.clone()), Answer::Done, "{:?}", command.step);
        }
    }
    assert_eq!(bench.0.workflow(TENANT, id(1)).unwrap().approvals(), 1);
    assert_eq!(bench.state_of(1), WorkflowState::Executing);
}
