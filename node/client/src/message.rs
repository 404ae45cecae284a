//! What is asked, before it has an endpoint and a signature: service, target, body.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::config::Endpoint;
use crate::sign::{Signer, amz_date, sha256_hex};

/// The prefix of every ECS operation in `X-Amz-Target`.
const ECS_TARGET: &str = "AmazonEC2ContainerServiceV20141113";

/// The prefix of the operations that Quorate adds beside those of ECS, such as `ListNodes`.
const QUORATE_TARGET: &str = "Quorate_20261122";

const USER_AGENT_VALUE: &str = concat!("quorate/", env!("CARGO_PKG_VERSION"));

/// All but the unreserved characters of RFC 3986, as Signature Version 4 wants it.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Method, path and query.
pub(crate) struct Target {
    method: Method,
    path: &'static str,
    /// As it is signed: names in order, values escaped.
    query: String,
}

impl Target {
    fn root() -> Self {
        Self {
            method: Method::POST,
            path: "/",
            query: String::new(),
        }
    }

    /// A GET with a query; the names are plain and in order.
    pub(crate) fn get<'a>(
        path: &'static str,
        pairs: impl Iterator<Item = (&'static str, &'a str)>,
    ) -> Self {
        let pairs =
            pairs.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)));
        Self {
            method: Method::GET,
            path,
            query: pairs.collect::<Vec<_>>().join("&"),
        }
    }

    /// The first lines of what is signed.
    fn signed(&self) -> String {
        format!("{}\n{}\n{}", self.method, self.path, self.query)
    }

    fn at(&self, endpoint: &Endpoint) -> Uri {
        if self.path == "/" {
            return endpoint.uri.clone();
        }
        let text = format!("{}?{}", self.path, self.query);
        let place = text.parse().expect("a plain path and an escaped query");
        let mut parts = endpoint.uri.clone().into_parts();
        parts.path_and_query = Some(place);
        Uri::from_parts(parts).expect("the endpoint has a scheme and an authority")
    }
}

/// One call, ready to be signed for whichever endpoint takes it.
pub(crate) struct Message {
    service: &'static str,
    to: Target,
    content_type: &'static str,
    target: Option<String>,
    body: Bytes,
    body_sha256: String,
    /// It changes nothing, so it may be sent twice.
    pub(crate) is_read: bool,
}

impl Message {
    /// An operation of ECS.
    pub(crate) fn ecs(operation: &str, body: &Value) -> Self {
        Self::json(ECS_TARGET, operation, body)
    }

    /// An operation of Quorate's own.
    pub(crate) fn quorate(operation: &str, body: &Value) -> Self {
        Self::json(QUORATE_TARGET, operation, body)
    }

    /// GetCallerIdentity of STS, which speaks the older query protocol.
    pub(crate) fn caller_identity(form: &'static str) -> Self {
        Self {
            service: "sts",
            to: Target::root(),
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            target: None,
            body: Bytes::from_static(form.as_bytes()),
            body_sha256: sha256_hex(form.as_bytes()),
            is_read: true,
        }
    }

    /// Something that is read at a place of its own.
    pub(crate) fn get(to: Target) -> Self {
        Self {
            service: "ecs",
            to,
            content_type: "application/json",
            target: None,
            body: Bytes::new(),
            body_sha256: sha256_hex(b""),
            is_read: true,
        }
    }

    fn json(prefix: &str, operation: &str, body: &Value) -> Self {
        assert!(
            operation.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{operation:?} is not the name of an operation"
        );
        let body = Bytes::from(body.to_string());
        Self {
            service: "ecs",
            to: Target::root(),
            content_type: "application/x-amz-json-1.1",
            target: Some(format!("{prefix}.{operation}")),
            body_sha256: sha256_hex(&body),
            body,
            // So it is with every operation of the ECS model.
            is_read: operation.starts_with("List") || operation.starts_with("Describe"),
        }
    }

    /// The request for one endpoint, signed now.
    pub(crate) fn signed(&self, endpoint: &Endpoint, signer: &Signer) -> Request<Full<Bytes>> {
        let date = amz_date(now());
        let mut headers = vec![
            ("content-type", self.content_type),
            ("host", endpoint.host.as_str()),
            ("x-amz-date", &date),
        ];
        headers.extend(
            self.target
                .as_deref()
                .map(|target| ("x-amz-target", target)),
        );
        let authorization = signer.authorization(
            self.service,
            &self.to.signed(),
            &headers,
            &self.body_sha256,
            &date,
        );

        let mut request = Request::builder()
            .method(self.to.method.clone())
            .uri(self.to.at(endpoint))
            .header(CONTENT_TYPE, HeaderValue::from_static(self.content_type))
            .header(HOST, &endpoint.host)
            .header(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE))
            .header(AUTHORIZATION, authorization)
            .header("x-amz-date", date);
        if let Some(target) = &self.target {
            request = request.header("x-amz-target", target);
        }
        request
            .body(Full::new(self.body.clone()))
            .expect("hosts, keys and operation names were checked to be plain ASCII")
    }
}

/// The only reading of the wall clock in this crate; a signature needs it.
fn now() -> Timestamp {
    Timestamp::now()
}
