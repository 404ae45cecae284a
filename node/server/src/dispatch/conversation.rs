//! A stream from its first word to its last: Register, then a [`Session`] or a refusal, and a farewell that the state remembers.

use std::sync::Arc;
use std::time::Duration;

use quorate_core::Command;
use quorate_proto::agent::refused::Code;
use quorate_proto::agent::{FromAgent, Refused, Register, ToAgent, from_agent};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout};
use tonic::{Status, Streaming};

use super::Desk;
use super::enrol::{Enrolled, enrol};
use super::session::{Ending, Session};
use super::submit::{item, submit};
use super::words::{SILENCE, Word, refused};

/// How long a new stream may take to say who it is.
const FIRST_WORD_PATIENCE: Duration = Duration::from_secs(5);
/// How long this node goes on saying that an agent is gone. After that the leader has noticed its silence by itself.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(30);

/// Words to one agent, in order.
pub(super) type Say = mpsc::Sender<Result<ToAgent, Status>>;

/// A stream that was opened.
pub(super) struct Conversation {
    desk: Arc<Desk>,
    hear: Streaming<FromAgent>,
    say: Say,
    seat: OwnedSemaphorePermit,
}

impl Conversation {
    pub(super) fn new(
        desk: Arc<Desk>,
        hear: Streaming<FromAgent>,
        say: Say,
        seat: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            desk,
            hear,
            say,
            seat,
        }
    }

    /// Runs until either side ends it.
    pub(super) async fn run(mut self) {
        let begun = tokio::select! {
            () = self.desk.stop.cancelled() => return,
            () = self.say.closed() => return,
            begun = begin(&self.desk, &mut self.hear) => begun,
        };
        let enrolled = match begun {
            Ok(enrolled) => enrolled,
            Err(refusal) => {
                tracing::info!(reason = %refusal.message, "agent refused");
                count_registration("refused");
                return part(&self.say, refusal).await;
            }
        };
        count_registration("accepted");
        self.converse(enrolled).await;
    }

    async fn converse(mut self, me: Enrolled) {
        let ending = Session::new(Arc::clone(&self.desk), me.clone(), self.say.clone())
            .run(&mut self.hear)
            .await;
        tracing::info!(instance = %me.instance, why = %ending, "agent left");
        if let Some(refusal) = last_word(&ending) {
            part(&self.say, refusal).await;
        }
        let Self {
            desk,
            hear,
            say,
            seat,
        } = self;
        drop((hear, say, seat));
        if is_gone(&ending) {
            bid_farewell(&desk, &me).await;
        }
    }
}

async fn begin(desk: &Desk, hear: &mut Streaming<FromAgent>) -> Result<Enrolled, Refused> {
    let first = timeout(FIRST_WORD_PATIENCE, hear.message()).await;
    let register: Register = match first {
        Ok(Ok(Some(FromAgent {
            body: Some(from_agent::Body::Register(register)),
        }))) => register,
        Ok(Ok(_)) => return Err(refused(Code::Invalid, "the first word has to be Register")),
        Ok(Err(_)) | Err(_) => {
            return Err(refused(Code::Retry, "the stream did not begin in time"));
        }
    };
    enrol(desk, register).await
}

/// What is said before the stream is closed, if anything.
fn last_word(ending: &Ending) -> Option<Refused> {
    let code = match ending {
        Ending::Superseded => Code::Superseded,
        Ending::Gone => Code::Inactive,
        Ending::Lapsed | Ending::Uncommitted(_) => Code::Retry,
        Ending::Invalid(_) => Code::Invalid,
        Ending::Leaving | Ending::Parted | Ending::Silent | Ending::Stuck => return None,
    };
    Some(refused(code, ending.to_string()))
}

/// Whether the state has to be told that the agent is gone. A node that leaves does not: its agents are elsewhere before it could.
fn is_gone(ending: &Ending) -> bool {
    match ending {
        Ending::Parted
        | Ending::Silent
        | Ending::Stuck
        | Ending::Uncommitted(_)
        | Ending::Invalid(_) => true,
        Ending::Leaving | Ending::Superseded | Ending::Gone | Ending::Lapsed => false,
    }
}

/// Says the last word, unless the agent does not listen any more.
async fn part(say: &Say, refusal: Refused) {
    let Word(word) = refusal.into();
    // Whoever does not take it has gone, and needs no reason.
    let _ = timeout(SILENCE, say.send(Ok(word))).await;
}

async fn bid_farewell(desk: &Desk, me: &Enrolled) {
    let command = Command::Disconnect {
        instance: me.instance,
        session: me.session,
    };
    let deadline = Instant::now() + FAREWELL_PATIENCE;
    let settled = tokio::select! {
        () = desk.stop.cancelled() => return,
        settled = submit(&desk.consensus, item(command), deadline) => settled,
    };
    if let Err(error) = settled {
        tracing::warn!(instance = %me.instance, %error, "could not record that the agent left; the leader will notice");
    }
}

fn count_registration(outcome: &'static str) {
    metrics::counter!("quorate_agent_registrations_total", "outcome" => outcome).increment(1);
}
