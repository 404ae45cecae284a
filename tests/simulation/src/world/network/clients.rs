//! Calls of clients: they speak to a node's gateway, beyond the sockets and signatures that stay out of the simulation.

use std::time::Duration;

use tokio::time::timeout;

use super::{Fate, Network};
use crate::world::{Life, Place};

/// The longest a client waits for an answer that could still come, beyond what the node was told.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// How a client's call fared.
#[derive(Debug)]
pub enum Reached<T> {
    /// The answer.
    Answered(T),
    /// Nothing listens there.
    Refused,
    /// Nothing came back.
    Silence,
}

impl Network {
    /// Brings a client's question to a node, has it answered for as long as that node lives, and brings the answer back.
    pub async fn reach<T, F>(
        &self,
        client: Place,
        node: Place,
        patience: Duration,
        answer: impl FnOnce() -> Option<(Life, F)>,
    ) -> Reached<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let exchanged = async {
            if self.travel(client, node).await == Fate::Lost {
                return std::future::pending().await;
            }
            let Some((life, answering)) = answer() else {
                return Reached::Refused;
            };
            // A call goes on though its caller has gone: a listener does not always notice.
            let answering = tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = life.over() => None,
                    answer = answering => Some(answer),
                }
            });
            let answered = answering.await.ok().flatten();
            match (self.travel(node, client).await, answered) {
                (Fate::Arrived, Some(answer)) => Reached::Answered(answer),
                (Fate::Arrived, None) => Reached::Silence,
                (Fate::Lost, _) => std::future::pending().await,
            }
        };
        timeout(patience + ON_THE_WAY, exchanged)
            .await
            .unwrap_or(Reached::Silence)
    }
}
