//! Calls that come in pieces: lists in pages, descriptions in hundreds.

use serde_json::{Value, json};

use crate::client::Client;
use crate::error::ClientError;

/// The most ids that the describing calls take at once.
const DESCRIBED_AT_ONCE: usize = 100;

/// The same for DescribeServices.
const SERVICES_AT_ONCE: usize = 10;

/// A list of pages that never ends is a fault of the cluster, not of the caller: a million entries are enough.
const PAGES_MAX: usize = 10_000;

impl Client {
    /// Every entry of `member` over all pages of a List operation.
    ///
    /// # Errors
    /// See [`ClientError`].
    ///
    /// # Panics
    /// If `body` is not an object, or `operation` not of letters and digits.
    pub async fn paginate(
        &self,
        operation: &str,
        mut body: Value,
        member: &str,
    ) -> Result<Vec<Value>, ClientError> {
        let mut entries = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut page = self.call(operation, body.clone()).await?;
            if let Some(Value::Array(more)) = page.get_mut(member).map(Value::take) {
                entries.extend(more);
            }
            match page.get("nextToken") {
                Some(Value::String(token)) if !token.is_empty() => body["nextToken"] = json!(token),
                _ => break,
            }
        }
        Ok(entries)
    }

    /// Describes any number of things, as many per call as ECS takes: `describe("DescribeTasks", json!({"cluster": c}), "tasks",
    /// ids)`. `member` names the ids in the request and the descriptions in the answer. The answer holds `member` and
    /// `failures`, each over all calls.
    ///
    /// # Errors
    /// See [`ClientError`].
    ///
    /// # Panics
    /// If `body` is not an object, or `operation` not of letters and digits.
    pub async fn describe(
        &self,
        operation: &str,
        mut body: Value,
        member: &str,
        ids: &[String],
    ) -> Result<Value, ClientError> {
        let mut whole = json!({ member: [], "failures": [] });
        let at_once = match operation {
            "DescribeServices" => SERVICES_AT_ONCE,
            _ => DESCRIBED_AT_ONCE,
        };
        for some in ids.chunks(at_once) {
            body[member] = json!(some);
            let mut part = self.call(operation, body.clone()).await?;
            for key in [member, "failures"] {
                if let (Some(Value::Array(more)), Some(all)) = (
                    part.get_mut(key).map(Value::take),
                    whole[key].as_array_mut(),
                ) {
                    all.extend(more);
                }
            }
        }
        Ok(whole)
    }
}
