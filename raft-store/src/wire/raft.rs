//! openraft's messages to ours and back. Nothing is trusted: a missing field is an error, not a panic.

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::{
    Append, AppendResult, Appended, AskVote, GiveVote, LogId, SnapshotTaken, Transfer, Transferred, Vote,
};
use crate::codec::BadBytes;
use crate::codec::records::{decode_entry, encode_entry};
use crate::types::{self, EntryId, TypeConfig, entry_id};

/// A message a peer must not send.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadMessage {
    /// A field every version sends.
    #[error("the field {0} is missing or has no meaning")]
    Missing(&'static str),
    /// A log entry that does not decode.
    #[error("a log entry does not decode: {0}")]
    Entry(#[from] BadBytes),
}

impl From<types::Vote> for Vote {
    fn from(vote: types::Vote) -> Self {
        let leader = vote.leader_id();
        Self { term: leader.term, node: leader.node_id, committed: vote.is_committed() }
    }
}

impl From<Vote> for types::Vote {
    fn from(vote: Vote) -> Self {
        if vote.committed {
            Self::new_committed(vote.term, vote.node)
        } else {
            Self::new(vote.term, vote.node)
        }
    }
}

impl From<EntryId> for LogId {
    fn from(id: EntryId) -> Self {
        Self { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<LogId> for EntryId {
    fn from(id: LogId) -> Self {
        entry_id(id.term, id.node, id.index)
    }
}

pub(crate) fn vote(vote: Option<Vote>) -> Result<types::Vote, BadMessage> {
    vote.map(Into::into).ok_or(BadMessage::Missing("vote"))
}

impl Append {
    pub(crate) fn new(request: &AppendEntriesRequest<TypeConfig>) -> Result<Self, BadBytes> {
        Ok(Self {
            vote: Some(request.vote.into()),
            previous: request.prev_log_id.map(Into::into),
            entries: request.entries.iter().map(encode_entry).collect::<Result<_, _>>()?,
            committed: request.leader_commit.map(Into::into),
        })
    }

    pub(crate) fn read(self) -> Result<AppendEntriesRequest<TypeConfig>, BadMessage> {
        Ok(AppendEntriesRequest {
            vote: vote(self.vote)?,
            prev_log_id: self.previous.map(Into::into),
            entries: self.entries.iter().map(|bytes| decode_entry(bytes)).collect::<Result<_, _>>()?,
            leader_commit: self.committed.map(Into::into),
        })
    }
}

impl From<AppendEntriesResponse<TypeConfig>> for Appended {
    fn from(response: AppendEntriesResponse<TypeConfig>) -> Self {
        let (result, matching, vote) = match response {
            AppendEntriesResponse::Success => (AppendResult::Success, None, None),
            AppendEntriesResponse::PartialSuccess(id) => (AppendResult::Partial, id, None),
            AppendEntriesResponse::Conflict => (AppendResult::Conflict, None, None),
            AppendEntriesResponse::HigherVote(vote) => (AppendResult::HigherVote, None, Some(vote)),
        };
        Self { result: result.into(), matching: matching.map(Into::into), vote: vote.map(Into::into) }
    }
}

impl Appended {
    pub(crate) fn read(self) -> Result<AppendEntriesResponse<TypeConfig>, BadMessage> {
        Ok(match self.result() {
            AppendResult::Unspecified => return Err(BadMessage::Missing("result")),
            AppendResult::Success => AppendEntriesResponse::Success,
            AppendResult::Partial => AppendEntriesResponse::PartialSuccess(self.matching.map(Into::into)),
            AppendResult::Conflict => AppendEntriesResponse::Conflict,
            AppendResult::HigherVote => AppendEntriesResponse::HigherVote(vote(self.vote)?),
        })
    }
}

impl From<&VoteRequest<TypeConfig>> for AskVote {
    fn from(request: &VoteRequest<TypeConfig>) -> Self {
        Self {
            vote: Some(request.vote.into()),
            last: request.last_log_id.map(Into::into),
            transfer: request.leadership_transfer,
        }
    }
}

impl AskVote {
    pub(crate) fn read(self) -> Result<VoteRequest<TypeConfig>, BadMessage> {
        let mut request = VoteRequest::new(vote(self.vote)?, self.last.map(Into::into));
        request.leadership_transfer = self.transfer;
        Ok(request)
    }
}

impl From<VoteResponse<TypeConfig>> for GiveVote {
    fn from(response: VoteResponse<TypeConfig>) -> Self {
        Self {
            vote: Some(response.vote.into()),
            granted: response.vote_granted,
            last: response.last_log_id.map(Into::into),
        }
    }
}

impl GiveVote {
    pub(crate) fn read(self) -> Result<VoteResponse<TypeConfig>, BadMessage> {
        Ok(VoteResponse::new(vote(self.vote)?, self.last.map(Into::into), self.granted))
    }
}

impl From<SnapshotResponse<TypeConfig>> for SnapshotTaken {
    fn from(response: SnapshotResponse<TypeConfig>) -> Self {
        Self { vote: Some(response.vote.into()) }
    }
}

impl SnapshotTaken {
    pub(crate) fn read(self) -> Result<SnapshotResponse<TypeConfig>, BadMessage> {
        Ok(SnapshotResponse::new(vote(self.vote)?))
    }
}

impl From<&TransferLeaderRequest<TypeConfig>> for Transfer {
    fn from(request: &TransferLeaderRequest<TypeConfig>) -> Self {
        Self {
            vote: Some((*request.from_leader()).into()),
            to: *request.to_node_id(),
            last: request.last_log_id().map(|id| (*id).into()),
        }
    }
}

impl Transfer {
    pub(crate) fn read(self) -> Result<TransferLeaderRequest<TypeConfig>, BadMessage> {
        Ok(TransferLeaderRequest::new(vote(self.vote)?, self.to, self.last.map(Into::into)))
    }
}

impl From<TransferLeaderResponse<TypeConfig>> for Transferred {
    fn from(response: TransferLeaderResponse<TypeConfig>) -> Self {
        match response {
            Ok(()) => Self::default(),
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                Self { votes: vec![expected.into(), actual.into()], ..Self::default() }
            }
            Err(TransferLeaderError::LogNotFlushed { actual, .. }) => {
                Self { not_flushed: true, flushed: actual.map(Into::into), ..Self::default() }
            }
        }
    }
}

impl Transferred {
    pub(crate) fn read(self, wanted: Option<EntryId>) -> TransferLeaderResponse<TypeConfig> {
        if let [expected, actual] = self.votes[..] {
            return Err(TransferLeaderError::VoteChanged {
                expected: expected.into(),
                actual: actual.into(),
            });
        }
        if self.not_flushed {
            let actual = self.flushed.map(Into::into);
            return Err(TransferLeaderError::LogNotFlushed { expected: wanted, actual });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Entry, EntryPayload, SealedCommand};
    use model::id::CommandId;

    #[test]
    fn an_append_survives_the_wire() {
        let sealed = SealedCommand { id: CommandId([3; 16]), sealed: vec![1, 2, 3] };
        let entry = Entry { log_id: entry_id(4, 2, 9), payload: EntryPayload::Normal(sealed) };
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: types::Vote::new_committed(4, 2),
            prev_log_id: Some(entry_id(3, 1, 8)),
            entries: vec![entry.clone()],
            leader_commit: Some(entry_id(3, 1, 7)),
        };
        let back = Append::new(&request).unwrap().read().unwrap();
        assert_eq!(back.vote, request.vote);
        assert_eq!(back.prev_log_id, request.prev_log_id);
        assert_eq!(back.leader_commit, request.leader_commit);
        assert_eq!(back.entries, vec![entry]);
    }

    #[test]
    fn what_a_peer_left_out_is_an_error() {
        assert!(Append::default().read().is_err());
        assert!(Appended::default().read().is_err());
        assert!(AskVote::default().read().is_err());
        assert!(GiveVote::default().read().is_err());
        assert!(SnapshotTaken::default().read().is_err());
        assert!(Transfer::default().read().is_err());
    }

    #[test]
    fn refusals_survive_the_wire() {
        let refusals: [AppendEntriesResponse<TypeConfig>; 3] = [
            AppendEntriesResponse::PartialSuccess(Some(entry_id(1, 1, 5))),
            AppendEntriesResponse::Conflict,
            AppendEntriesResponse::HigherVote(types::Vote::new(9, 3)),
        ];
        for response in refusals {
            assert_eq!(Appended::from(response.clone()).read().unwrap(), response);
        }
    }
}
