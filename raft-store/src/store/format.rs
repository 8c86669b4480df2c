//! The replicated format version: activated by the leader once every member runs a binary that knows it.
//!
//! Until then an upgrade can be taken back, node by node; from then on an older binary does not start
//! (CONSISTENCY 9). Every member counts, dead learners too: whoever may come back must be able to.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use model::commands::ActivateFormat;
use model::id::NodeId;
use tokio::time::Instant;

use super::inner::Inner;
use super::members::Watch;
use crate::peer::client::Lane;
use crate::raft::consensus::View;
use crate::raft::network::target;
use crate::wire::AskStatus;
use crate::wire::method::GetStatus;

/// How often the members are asked while this binary knows a newer version than is active.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A member that does not answer this fast is asked again next time.
const ASK_MAX: Duration = Duration::from_millis(500);

impl Inner {
    /// Activates what all members have known for [`Settings::format_after`](super::Settings::format_after).
    pub(super) async fn activate_format(self: &Arc<Self>, watch: &mut Watch, view: &View) {
        let active = self.serving.load().state.cluster().format;
        if self.settings.format <= active {
            watch.format_since = None;
            return;
        }
        if watch.format_asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            return;
        }
        watch.format_asked = Some(Instant::now());
        let known = self.format_known_to_all(view).await;
        if known <= active {
            watch.format_since = None;
            return;
        }
        let since = *watch.format_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.settings.format_after {
            tracing::info!(format = known, "every member knows a newer format version: it is activated");
            self.note(ActivateFormat { format: known }).await;
        }
    }

    /// The highest version that every member says it knows; 0 if one does not answer.
    async fn format_known_to_all(&self, view: &View) -> u32 {
        let asking = view.members.membership().nodes().map(|(id, member)| async move {
            let node = NodeId(*id);
            if node == self.me() {
                return self.settings.format;
            }
            let to = target(node, member);
            let asked = self.peers.call::<GetStatus>(&to, Lane::Requests, AskStatus {}, ASK_MAX).await;
            asked.map_or(0, |status| status.format)
        });
        join_all(asking).await.into_iter().min().unwrap_or(0)
    }
}
