//! The cluster begins to behave as a newer format version says.
//!
//! Proposed once every member runs a binary that knows it; from then on an older binary does not start.

use serde::{Deserialize, Serialize};

use crate::command::{Answer, Apply};
use crate::refusal::Refusal;
use crate::state::{At, Changes, State};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateFormat {
    /// The version.
    pub format: u32,
}

impl Apply for ActivateFormat {
    fn check(&self, state: &State, _: &At) -> Result<(), Refusal> {
        let now = state.cluster.format;
        if self.format > now { Ok(()) } else { Err(Refusal::FormatNotNewer { now }) }
    }

    fn apply(&self, state: &mut State, _: &At, _: &mut Changes) -> Answer {
        state.cluster.format = self.format; // its row is written with every command
        Answer::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, Stamp};
    use crate::id::{CommandId, LogIndex};
    use crate::state::FORMAT_FIRST;
    use crate::time::ClusterTime;

    #[test]
    fn the_format_only_goes_forward() {
        let mut state = State::new("eu");
        let mut activate = |index: u64, format| {
            let stamp = Stamp { id: CommandId([0; 16]), time: ClusterTime(0) };
            let command = Command { stamp, idempotency: None, action: ActivateFormat { format }.into() };
            let answer = state.apply(LogIndex(index), &command).answer;
            (answer, state.cluster().format)
        };
        let stays = |now| Answer::Refused(Refusal::FormatNotNewer { now });
        assert_eq!(activate(1, FORMAT_FIRST), (stays(FORMAT_FIRST), FORMAT_FIRST));
        assert_eq!(activate(2, FORMAT_FIRST + 1), (Answer::Done, FORMAT_FIRST + 1));
        assert_eq!(activate(3, FORMAT_FIRST), (stays(FORMAT_FIRST + 1), FORMAT_FIRST + 1));
        assert_eq!(State::from_rows(state.rows()), Ok(state));
    }
}
