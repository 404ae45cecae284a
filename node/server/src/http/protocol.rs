//! The two formats that callers speak: AWS JSON 1.1 for ECS and AWS Query (a form in, XML out) for STS. Which of them it is
//! follows from the service in the signature's scope.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::front::HEADERS;
use super::outgoing::Outgoing;
use super::sigv4::single;
use crate::gateway::{Answer, Service};
use crate::operations::exception::{Exception, Kind};
use crate::operations::{self, model};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// How a caller speaks and wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `X-Amz-Target` names the operation, bodies are JSON.
    Json,
    /// `Action=` in a form names the operation, answers are XML.
    Query,
}

/// The operation that a request names, and its input as checked JSON.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) service: Service,
    pub(super) operation: &'static str,
    pub(super) input: Bytes,
}

/// An exception, with an HTTP status of its own where HTTP has a word for it.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    exception: Exception,
}

impl Refusal {
    pub(super) fn no_such_path() -> Self {
        let exception = Exception::new(
            Kind::UnknownOperation,
            "The API is served at the path '/' only.",
        );
        Self {
            status: StatusCode::NOT_FOUND,
            exception,
        }
    }

    pub(super) fn no_such_method() -> Self {
        let exception = Exception::new(Kind::UnknownOperation, "The API takes POST requests only.");
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            exception,
        }
    }

    pub(super) fn headers_too_large() -> Self {
        let message = format!("The request's headers are larger than {HEADERS} bytes.");
        let exception = Exception::new(Kind::RequestEntityTooLarge, message);
        Self {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            exception,
        }
    }
}

impl From<Exception> for Refusal {
    fn from(exception: Exception) -> Self {
        let status =
            StatusCode::from_u16(exception.status()).expect("the table holds HTTP statuses");
        Self { status, exception }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status.as_u16(),
            body: refusal.exception.render(),
        }
    }
}

impl Dialect {
    pub(super) fn of(service: Service) -> Self {
        match service {
            Service::Ecs | Service::Quorate => Self::Json,
            Service::Sts => Self::Query,
        }
    }

    /// The best guess before a signature is verified, for refusals: the scope that the request claims, else its form.
    pub(super) fn guess(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let scope = text(&AUTHORIZATION)
            .split_once("Credential=")
            .map(|(_, scope)| scope);
        match scope
            .and_then(|scope| scope.split('/').nth(3))
            .and_then(Service::named)
        {
            Some(service) => Self::of(service),
            None if text(&CONTENT_TYPE).starts_with("application/x-www-form-urlencoded") => {
                Self::Query
            }
            None => Self::Json,
        }
    }

    /// What a verified request asks for.
    pub(super) fn read(self, headers: &HeaderMap, body: Bytes) -> Result<Ask, Exception> {
        match self {
            Self::Json => read_json(headers, body),
            Self::Query => read_query(headers, &body),
        }
    }

    /// The answer in this format, with the headers that every answer has.
    pub(super) fn render(
        self,
        operation: Option<&str>,
        answer: Answer,
        request_id: &str,
        now: Timestamp,
    ) -> Response<Outgoing> {
        let (status, body, content_type) = match self {
            Self::Json => (answer.status, answer.body, "application/x-amz-json-1.1"),
            Self::Query => {
                let (status, body) = render_xml(operation, &answer, request_id);
                (status, body, "text/xml")
            }
        };
        let date = DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&now)
            .expect("a wall clock reads years 0 to 9999");
        let mut response = Response::new(Outgoing::Whole(Full::new(body)));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        put_request_id(headers, request_id);
        headers.insert(
            DATE,
            HeaderValue::from_str(&date).expect("a date is a header value"),
        );
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// The header by which an answer is found again in the log.
pub(super) fn put_request_id(headers: &mut HeaderMap, request_id: &str) {
    let value = HeaderValue::from_str(request_id).expect("a UUID is a header value");
    headers.insert(REQUEST_ID, value);
}

fn read_json(headers: &HeaderMap, body: Bytes) -> Result<Ask, Exception> {
    let content_type = media_type(headers)?;
    if ![
        "application/x-amz-json-1.1",
        "application/x-amz-json-1.0",
        "application/json",
    ]
    .contains(&content_type)
    {
        let message = "The Content-Type must be application/x-amz-json-1.1.";
        return Err(Exception::new(Kind::UnknownOperation, message));
    }
    let target = single(headers, &TARGET)?.ok_or_else(|| {
        Exception::new(
            Kind::UnknownOperation,
            "The header X-Amz-Target must name the operation.",
        )
    })?;
    let (service, name) = match target.split_once('.') {
        Some((prefix, name)) if prefix == model::target_prefix() => (Service::Ecs, name),
        Some((Service::QUORATE_TARGET_PREFIX, name)) => (Service::Quorate, name),
        _ => return Err(Exception::unknown_operation(target)),
    };
    let operation = operations::find(service.name(), name)?.name;
    match service {
        Service::Ecs => model::parse_input(operation, &body)?,
        Service::Quorate | Service::Sts => model::parse(&body)?,
    };
    Ok(Ask {
        service,
        operation,
        input: body,
    })
}

fn read_query(headers: &HeaderMap, body: &[u8]) -> Result<Ask, Exception> {
    if media_type(headers)? != "application/x-www-form-urlencoded" {
        let message = "The Content-Type must be application/x-www-form-urlencoded.";
        return Err(Exception::new(Kind::UnknownOperation, message));
    }
    let malformed = || Exception::new(Kind::Serialization, "The request body is not a form.");
    let form = std::str::from_utf8(body).map_err(|_| malformed())?;
    let mut input = Map::new();
    for pair in form.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text: &str| form_decoded(text).ok_or_else(malformed);
        if input
            .insert(decoded(name)?, Value::String(decoded(value)?))
            .is_some()
        {
            return Err(Exception::new(
                Kind::Serialization,
                "A parameter is in the form twice.",
            ));
        }
    }
    input.remove("Version");
    let action = input.remove("Action");
    let action = action.as_ref().and_then(Value::as_str).unwrap_or_default();
    let operation = operations::find(Service::Sts.name(), action)?.name;
    Ok(Ask {
        service: Service::Sts,
        operation,
        input: Value::Object(input).to_string().into(),
    })
}

/// The content type without its parameters.
fn media_type(headers: &HeaderMap) -> Result<&str, Exception> {
    let value = single(headers, &CONTENT_TYPE)?.unwrap_or_default();
    Ok(value.split(';').next().unwrap_or_default().trim())
}

fn form_decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(Cow::into_owned)
}

/// An answer in the XML of the Query protocol, and its status there.
fn render_xml(operation: Option<&str>, answer: &Answer, request_id: &str) -> (u16, Bytes) {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut xml = String::with_capacity(512);
    let Some(operation) = operation.filter(|_| answer.status == 200) else {
        let text = |member: &str| value[member].as_str().unwrap_or_default();
        let (code, status) = query_error(text("__type"), answer.status);
        let fault = if status >= 500 { "Receiver" } else { "Sender" };
        let message = escaped(text("message"));
        xml.push_str(&format!(
            "<ErrorResponse xmlns=\"{STS_NAMESPACE}\"><Error><Type>{fault}</Type><Code>{code}</Code>\
             <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        ));
        return (status, xml.into());
    };
    xml.push_str(&format!(
        "<{operation}Response xmlns=\"{STS_NAMESPACE}\"><{operation}Result>"
    ));
    put_xml(&value, &mut xml);
    xml.push_str(&format!(
        "</{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    ));
    (200, xml.into())
}

fn put_xml(value: &Value, xml: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => xml.push_str(&value.to_string()),
        Value::String(text) => xml.push_str(&escaped(text)),
        Value::Array(items) => items
            .iter()
            .for_each(|item| put_element("member", item, xml)),
        Value::Object(members) => members
            .iter()
            .for_each(|(name, member)| put_element(name, member, xml)),
    }
}

fn put_element(name: &str, value: &Value, xml: &mut String) {
    xml.push_str(&format!("<{name}>"));
    put_xml(value, xml);
    xml.push_str(&format!("</{name}>"));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// STS's names and statuses for the same refusals.
fn query_error(exception: &str, status: u16) -> (&str, u16) {
    match exception {
        "InvalidSignatureException" => ("SignatureDoesNotMatch", 403),
        "UnrecognizedClientException" => ("InvalidClientTokenId", 403),
        "MissingAuthenticationTokenException" => ("MissingAuthenticationToken", 403),
        "AccessDeniedException" => ("AccessDenied", 403),
        "UnknownOperationException" => ("InvalidAction", status),
        "SerializationException" => ("MalformedInput", status),
        "ServerException" => ("InternalFailure", status),
        other => (other.strip_suffix("Exception").unwrap_or(other), status),
    }
}
