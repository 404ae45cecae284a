//! One client: a wish, a call, and again until it knows what came of it or loses patience.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::known::Known;
use super::mix::{Mix, pick};
use super::wish::{Wish, Wishing};
use crate::api::{Answer, Api, Call, Outcome};
use crate::history::{History, What};
use crate::trace::Trace;

/// Pause before another try, at most: a node that is down answers at once.
const TRY_PAUSE_MS: u64 = 300;

/// Runs client `number` until `stop`. Equal seeds wish for the same, as long as they are answered the same.
pub async fn client(
    number: u32,
    mix: Mix,
    seed: u64,
    api: Arc<dyn Api>,
    history: History,
    trace: Trace,
    stop: CancellationToken,
) {
    let mut client = Client {
        number,
        mix,
        rng: SmallRng::seed_from_u64(seed),
        known: Known::default(),
        wishes: 0,
        caller: Caller {
            api,
            history,
            trace,
        },
    };
    client.begin(&stop).await;
    while !stop.is_cancelled() {
        let pause = client.mix.pause(&mut client.rng);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
        client.next(&stop).await;
    }
}

struct Client {
    number: u32,
    mix: Mix,
    rng: SmallRng,
    known: Known,
    wishes: u32,
    caller: Caller,
}

impl Client {
    /// The first wish of the first client is the cluster that agents register in.
    async fn begin(&mut self, stop: &CancellationToken) {
        if self.number == 0 {
            let wish = Wish {
                operation: "CreateCluster",
                body: json!({ "clusterName": "default" }),
                is_repeatable: true,
            };
            self.pursue(wish, "first", stop).await;
        }
    }

    async fn next(&mut self, stop: &CancellationToken) {
        self.wishes += 1;
        let mark = format!("w{}-{}", self.number, self.wishes);
        if let Some(wish) = self.wish(&mark) {
            self.pursue(wish, &mark, stop).await;
        }
    }

    /// The next wish: about services now and then, in a world that has them.
    fn wish(&mut self, mark: &str) -> Option<Wish> {
        let services = self.mix.services.as_ref();
        let services = services.filter(|one| self.rng.random_ratio(1, one.one_in.max(1)));
        let Some(services) = services else {
            let kind = self.mix.kind(&mut self.rng);
            return self.wishing(mark).make(kind);
        };
        let kind = services.kind(&mut self.rng);
        self.wishing(mark).make_of_services(kind)
    }

    fn wishing<'a>(&'a mut self, mark: &'a str) -> Wishing<'a> {
        Wishing {
            mix: &self.mix,
            rng: &mut self.rng,
            known: &self.known,
            mark,
        }
    }

    /// Tries until there is an answer that says what came of it. What is not repeatable is tried once; whether it was carried out stays open.
    async fn pursue(&mut self, wish: Wish, mark: &str, stop: &CancellationToken) {
        if wish.body["clientToken"].is_string() {
            self.known.tokens.add(wish.body.clone());
        }
        let tries = if wish.is_repeatable {
            self.mix.tries
        } else {
            1
        };
        let nodes = self.caller.api.nodes();
        for _ in 0..tries {
            let call = Call {
                client: self.number,
                node: *pick(&mut self.rng, &nodes),
                service: "ecs",
                operation: wish.operation,
                body: wish.body.clone(),
                patience: self.mix.patience(&mut self.rng),
            };
            let answer = self.caller.call(call, mark).await;
            if let Some(answer) = answer.filter(|answer| answer.status < 500) {
                if answer.status == 200 {
                    let cluster = wish.body["cluster"].as_str().unwrap_or("default");
                    self.known.learn(cluster, &answer.body);
                }
                return;
            }
            if stop.is_cancelled() {
                return;
            }
            sleep(Duration::from_millis(
                self.rng.random_range(0..=TRY_PAUSE_MS),
            ))
            .await;
        }
    }
}

/// Calls nodes, and writes down what came of it.
pub(super) struct Caller {
    pub(super) api: Arc<dyn Api>,
    pub(super) history: History,
    pub(super) trace: Trace,
}

impl Caller {
    async fn call(&self, call: Call, mark: &str) -> Option<Answer> {
        let number = self.history.number();
        let begin = What::Invoke {
            call: number,
            client: call.client,
            node: call.node,
            operation: call.operation.to_owned(),
            intent: mark.to_owned(),
            body: call.body.clone(),
        };
        self.history.add(self.trace.now(), begin);
        let (client, node, operation) = (call.client, call.node, call.operation);
        self.trace.note(format_args!(
            "c{client} call {number} at n{node}: {operation} {}",
            call.body
        ));
        let outcome = self.api.call(call).await;
        self.trace
            .note(format_args!("c{client} call {number}: {}", brief(&outcome)));
        let (what, answer) = match outcome {
            Outcome::Answered(answer) => (
                What::Return {
                    call: number,
                    status: answer.status,
                    body: answer.body.clone(),
                },
                Some(answer),
            ),
            Outcome::NotSent | Outcome::Unknown => (What::Unknown { call: number }, None),
        };
        self.history.add(self.trace.now(), what);
        answer
    }
}

/// An outcome in a line that can be read, and that differs where outcomes differ.
fn brief(outcome: &Outcome) -> String {
    match outcome {
        Outcome::NotSent => "not sent".to_owned(),
        Outcome::Unknown => "no answer".to_owned(),
        Outcome::Answered(Answer {
            status: 200, body, ..
        }) => format!("200 {body}"),
        Outcome::Answered(Answer {
            status,
            error,
            body,
        }) => {
            format!(
                "{status} {} {}",
                error.as_deref().unwrap_or_default(),
                body["message"]
            )
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::future::BoxFuture;
    use parking_lot::Mutex;
    use quorate_core::ids::NodeId;
    use serde_json::Value;

    use super::*;
    use crate::history::{Outcome as Known, calls};

    /// Fails the first call of each token, and then answers.
    #[derive(Default)]
    struct Flaky(Mutex<Vec<Value>>);

    impl Api for Flaky {
        fn nodes(&self) -> Vec<NodeId> {
            (1..=3).map(NodeId).collect()
        }

        fn call(&self, call: Call) -> BoxFuture<'_, Outcome> {
            Box::pin(async move {
                sleep(Duration::from_millis(5)).await;
                let mut seen = self.0.lock();
                if !seen.contains(&call.body) {
                    seen.push(call.body);
                    return Outcome::Unknown;
                }
                Outcome::Answered(Answer {
                    status: 200,
                    error: None,
                    body: json!({ "taskArns": ["arn:aws:ecs:r:1:task/default/1"] }),
                })
            })
        }
    }

    async fn run(seed: u64) -> History {
        let (history, stop) = (History::default(), CancellationToken::new());
        let mut mix = Mix::draw(&mut SmallRng::seed_from_u64(1));
        mix.tries = 3;
        let api: Arc<dyn Api> = Arc::new(Flaky::default());
        let trace = Trace::begin(false);
        let running = tokio::spawn(client(
            0,
            mix,
            seed,
            api,
            history.clone(),
            trace,
            stop.clone(),
        ));
        sleep(Duration::from_secs(20)).await;
        stop.cancel();
        running.await.unwrap();
        history
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_outcome_is_tried_again_with_the_same_token_under_the_same_wish() {
        let calls = calls(&run(7).await.events());
        let with_token: Vec<_> = calls
            .iter()
            .filter(|call| !call.text("clientToken").is_empty())
            .collect();
        let lost = with_token
            .iter()
            .find(|call| call.outcome == Known::Unknown)
            .unwrap();
        let again = with_token
            .iter()
            .find(|call| call.id > lost.id && call.intent == lost.intent)
            .unwrap();
        assert_eq!(again.body, lost.body);
        assert!(calls.iter().all(
            |call| call.operation != "RegisterTaskDefinition" || call.outcome == Known::Unknown
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn equal_seeds_are_equal_clients() {
        assert_eq!(run(7).await.events(), run(7).await.events());
        assert_ne!(run(7).await.events(), run(8).await.events());
    }
}
