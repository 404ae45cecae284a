//! From the bytes of a response to a value or an exception.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use crate::error::ClientError;

/// How much of an answer that is not of this API is shown.
const EXCERPT_CHARS: usize = 200;

/// A whole response.
pub(crate) struct Answer {
    pub(crate) endpoint: String,
    pub(crate) status: StatusCode,
    pub(crate) request_id: String,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body of a success, or the exception that an AWS JSON service described.
    pub(crate) fn into_json(self) -> Result<Value, ClientError> {
        if self.status.is_success() && self.body.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        match serde_json::from_slice(&self.body) {
            Ok(value) if self.status.is_success() => Ok(value),
            Ok(Value::Object(fields)) if fields.get("__type").is_some_and(Value::is_string) => {
                Err(self.exception(fields))
            }
            _ => Err(self.malformed()),
        }
    }

    fn exception(self, mut fields: Map<String, Value>) -> ClientError {
        let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
        let name = text(fields.remove("__type")).unwrap_or_default();
        let message = text(fields.remove("message"))
            .or_else(|| text(fields.remove("Message")))
            .unwrap_or_default();
        // A namespace may stand before the name, as in `com.amazonaws.ecs#ClientException`.
        let code = name.rsplit('#').next().unwrap_or_default().to_owned();
        ClientError::Exception {
            code,
            message,
            status: self.status.as_u16(),
            request_id: self.request_id,
            fields,
        }
    }

    /// The error that says what came instead of an answer of this API.
    pub(crate) fn malformed(self) -> ClientError {
        let text = String::from_utf8_lossy(&self.body);
        let detail = if text.trim().is_empty() {
            "an empty body".to_owned()
        } else {
            text.chars().take(EXCERPT_CHARS).collect()
        };
        ClientError::Malformed {
            endpoint: self.endpoint,
            status: self.status.as_u16(),
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            endpoint: "http://node".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            request_id: "r-1".to_owned(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn an_exception_keeps_what_it_carries() {
        let body = r#"{"__type":"com.amazonaws.ecs#ConflictException","message":"used","resourceIds":["a"]}"#;
        let Err(ClientError::Exception {
            code,
            message,
            status,
            request_id,
            fields,
        }) = answer(400, body).into_json()
        else {
            panic!()
        };
        assert_eq!(
            (code.as_str(), message.as_str(), status, request_id.as_str()),
            ("ConflictException", "used", 400, "r-1")
        );
        assert_eq!(
            Value::Object(fields),
            serde_json::json!({"resourceIds": ["a"]})
        );
    }

    #[test]
    fn what_is_not_of_this_api_is_shown() {
        for (status, body) in [
            (502, "<html>Bad Gateway</html>"),
            (200, "<html>"),
            (404, "{}"),
            (500, ""),
        ] {
            let error = answer(status, body).into_json().unwrap_err();
            assert!(
                matches!(error, ClientError::Malformed { .. }),
                "{status} {body}: {error}"
            );
            assert_eq!(error.outcome_is_unknown(), status >= 500);
        }
        assert_eq!(answer(200, "").into_json().unwrap(), serde_json::json!({}));
    }
}
