//! Short forms of ids and ports in scripts, and `key=value` words.

use std::collections::BTreeMap;

use quorate_core::documents::{PortSpec, Protocol};
use quorate_core::ids::{ContainerId, InstanceId, SessionId, StoreId, TaskId};
use quorate_core::state::HostPort;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Ids of one kind carry its letter above their number, so that they can be told apart when they are printed.
fn tagged(letter: u8, number: u128) -> u128 {
    u128::from(letter) << 64 | number
}

fn id(text: &str) -> Option<(u8, u128)> {
    let (letter, digits) = (*text.as_bytes().first()?, text.get(1..)?);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| Some((letter, digits.parse().ok()?)))?
}

/// `i1`.
pub(crate) fn instance(text: &str) -> Option<InstanceId> {
    let (letter, number) = id(text)?;
    (letter == b'i').then(|| InstanceId::from_u128(number))
}

/// `t1`.
pub(crate) fn task(text: &str) -> Option<TaskId> {
    let (letter, number) = id(text)?;
    (letter == b't').then(|| TaskId::from_u128(tagged(letter, number)))
}

/// `tcp/80`.
pub(crate) fn port(host: &HostPort) -> String {
    format!("{}/{}", host.protocol.as_str(), host.port)
}

fn host_port(text: &str) -> Option<(&str, u16)> {
    let (protocol, port) = text.split_once('/')?;
    matches!(protocol, "tcp" | "udp").then(|| Some((protocol, port.parse().ok()?)))?
}

/// `tcp/80`, or `tcp/0` for any.
pub(crate) fn port_spec(text: &str) -> PortSpec {
    let (protocol, port) = host_port(text).expect("tcp/PORT or udp/PORT");
    let protocol = if protocol == "udp" {
        Protocol::Udp
    } else {
        Protocol::Tcp
    };
    PortSpec {
        container_port: 80,
        host_port: port,
        protocol,
        name: None,
    }
}

/// Short forms made long, everywhere in a command.
pub(crate) fn long(value: Value) -> Value {
    match value {
        Value::String(text) => long_text(text),
        Value::Array(all) => all.into_iter().map(long).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(k, v)| (k, long(v))).collect())
        }
        other => other,
    }
}

fn long_text(text: String) -> Value {
    if let Some((protocol, port)) = host_port(&text) {
        return json!({"protocol": protocol, "port": port});
    }
    let Some((letter, number)) = id(&text) else {
        return Value::String(text);
    };
    let number = tagged(letter, number);
    match letter {
        b't' => TaskId::from_u128(number).to_string().into(),
        b'i' => InstanceId::from_u128(number & u128::from(u64::MAX))
            .to_string()
            .into(),
        b's' => SessionId::from_u128(number).to_string().into(),
        b'd' => StoreId::from_u128(number).to_string().into(),
        b'c' => ContainerId::from_u128(number).to_string().into(),
        _ => Value::String(text),
    }
}

/// A value as JSON with all ids short; a text stands without quotes.
pub(crate) fn short<T: Serialize>(value: &T) -> String {
    match shortened(serde_json::to_value(value).expect("core's types have a JSON form")) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// A text with the ids of tasks and instances in it short.
pub(crate) fn readable(text: &str) -> String {
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_id) {
        let length = rest[start..]
            .find(|c| !is_id(c))
            .unwrap_or(rest.len() - start);
        out.push_str(&rest[..start]);
        out.push_str(&short_text(rest[start..start + length].to_owned()));
        rest = &rest[start + length..];
    }
    out + rest
}

fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) => short_text(text).into(),
        Value::Array(all) => all.into_iter().map(shortened).collect(),
        Value::Object(members) => short_object(members),
        other => other,
    }
}

fn short_text(text: String) -> String {
    if let Ok(instance) = text.parse::<InstanceId>() {
        return format!("i{}", instance.as_u128());
    }
    match text.parse::<TaskId>().map(TaskId::as_u128) {
        Ok(number) => format!("{}{}", char::from((number >> 64) as u8), number as u64),
        Err(_) => text,
    }
}

fn short_object(members: Map<String, Value>) -> Value {
    let is = |names: [&str; 2]| {
        members.len() == 2 && names.iter().all(|name| members.contains_key(*name))
    };
    if is(["protocol", "port"]) {
        return format!(
            "{}/{}",
            members["protocol"].as_str().expect("a text"),
            members["port"]
        )
        .into();
    }
    if is(["family", "revision"]) {
        return format!(
            "{}:{}",
            members["family"].as_str().expect("a text"),
            members["revision"]
        )
        .into();
    }
    Value::Object(
        members
            .into_iter()
            .map(|(k, v)| (k, shortened(v)))
            .collect(),
    )
}

/// The `key=value` words of a step.
pub(crate) struct Words<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Words<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        Self(
            text.split(' ')
                .filter_map(|word| word.split_once('='))
                .collect(),
        )
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.0.iter().map(|(key, value)| (*key, *value))
    }

    pub(crate) fn text(&self, key: &str, otherwise: &'a str) -> &'a str {
        self.0.get(key).copied().unwrap_or(otherwise)
    }

    pub(crate) fn number(&self, key: &str, otherwise: u64) -> u64 {
        self.0
            .get(key)
            .map_or(otherwise, |text| text.parse().expect("a number"))
    }

    pub(crate) fn list(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.text(key, "")
            .split(',')
            .filter(|word| !word.is_empty())
    }
}
