//! What a request says about its own signature, parsed and found well-formed; nothing in it is believed yet.

use std::str::{self, FromStr};

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;

use super::canonical::Head;
use crate::operations::exception::{Exception, Kind};

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

pub(super) const DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(super) const BODY_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
pub(super) const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The signature as claimed.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) key_id: &'a str,
    /// `YYYYMMDD`, of the credential scope.
    pub(super) day: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// `DAY/REGION/SERVICE/aws4_request`, as the string to sign repeats it.
    pub(super) scope: &'a str,
    signed: &'a str,
    pub(super) signature: [u8; 32],
    /// `X-Amz-Date` as it was sent.
    pub(super) stamp: &'a str,
    pub(super) time: Timestamp,
}

impl<'a> Claim<'a> {
    /// Reads the `Authorization` and `X-Amz-Date` headers. A signature in the query string is refused: presigned
    /// requests live for days, carry no body hash, and no client of a control plane needs them.
    pub(super) fn parse(head: &Head<'a>) -> Result<Self, Exception> {
        if is_signed_in_query(head.query) {
            return Err(incomplete(
                "Sign with the Authorization header: a signature in the query string is not accepted.",
            ));
        }
        let Some(authorization) = single(head.headers, &AUTHORIZATION)? else {
            return Err(Exception::new(
                Kind::MissingAuthenticationToken,
                "Missing Authentication Token",
            ));
        };
        let fields = Fields::parse(authorization)?;
        let (key_id, scope) = fields
            .credential
            .split_once('/')
            .ok_or_else(bad_credential)?;
        let parts: [&str; 4] = scope
            .split('/')
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_: Vec<_>| bad_credential())?;
        let [day, region, service, terminator] = parts;
        if key_id.is_empty() {
            return Err(bad_credential());
        }
        if terminator != TERMINATOR {
            let message =
                format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'.");
            return Err(invalid(message));
        }
        let stamp = single(head.headers, &DATE)?.ok_or_else(|| {
            incomplete("Authorization header requires existence of a 'X-Amz-Date' header.")
        })?;
        let time = parse_stamp(stamp).ok_or_else(|| {
            incomplete("Date must be in ISO-8601 'basic format': YYYYMMDD'T'HHMMSS'Z'.")
        })?;
        let signature = parse_signature(fields.signature)
            .ok_or_else(|| incomplete("The signature must be 64 lowercase hexadecimal digits."))?;
        check_order(fields.signed)?;
        Ok(Self {
            key_id,
            day,
            region,
            service,
            scope,
            signed: fields.signed,
            signature,
            stamp,
            time,
        })
    }

    /// The names of the signed headers: lowercase, sorted, each once.
    pub(super) fn signed(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.signed.split(';')
    }

    /// Everything that may change a call's meaning is signed: the host, the content type and every `x-amz-*` header, of
    /// which `X-Amz-Target` names the operation. And every header that is said to be signed is there.
    pub(super) fn check_signed(&self, head: &Head<'_>) -> Result<(), Exception> {
        if let Some(absent) = self.signed().find(|name| !head.has(name)) {
            return Err(invalid(format!(
                "The signed header '{absent}' is not in the request."
            )));
        }
        if !self.covers(HOST.as_str()) {
            return Err(invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        let must_be_signed =
            |name: &&HeaderName| **name == CONTENT_TYPE || name.as_str().starts_with("x-amz-");
        match head
            .headers
            .keys()
            .filter(must_be_signed)
            .find(|name| !self.covers(name.as_str()))
        {
            Some(name) => Err(invalid(format!(
                "There were headers present in the request which were not signed: {name}"
            ))),
            None => Ok(()),
        }
    }

    fn covers(&self, name: &str) -> bool {
        self.signed().any(|signed| signed == name)
    }
}

/// The three fields of the header, each exactly once and nothing else.
struct Fields<'a> {
    credential: &'a str,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> Fields<'a> {
    fn parse(authorization: &'a str) -> Result<Self, Exception> {
        let (algorithm, fields) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            return Err(incomplete(
                "Unsupported AWS 'algorithm': the Authorization header must begin with AWS4-HMAC-SHA256.",
            ));
        }
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field.trim().split_once('=').unwrap_or((field.trim(), ""));
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => {
                    return Err(incomplete(
                        "Authorization header has a parameter that is not Credential, SignedHeaders or Signature.",
                    ));
                }
            };
            if place.replace(value).is_some() {
                return Err(incomplete("Authorization header has a parameter twice."));
            }
        }
        let required = |value: Option<&'a str>, name: &str| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| {
                incomplete(format!("Authorization header requires '{name}' parameter."))
            })
        };
        Ok(Self {
            credential: required(credential, "Credential")?,
            signed: required(signed, "SignedHeaders")?,
            signature: required(signature, "Signature")?,
        })
    }
}

/// The one value of a header that decides something. Two of them are how a front and a back are made to disagree.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Exception> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(incomplete(format!(
            "The header '{name}' is in the request twice."
        )));
    }
    match str::from_utf8(value.as_bytes()) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(incomplete(format!("The header '{name}' is not text."))),
    }
}

fn is_signed_in_query(query: &str) -> bool {
    query
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        .any(|name| {
            let name = percent_decode_str(name).decode_utf8_lossy();
            ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]
                .iter()
                .any(|one| name.eq_ignore_ascii_case(one))
        })
}

fn check_order(signed: &str) -> Result<(), Exception> {
    let is_name =
        |name: &str| HeaderName::from_str(name).is_ok_and(|parsed| parsed.as_str() == name);
    let mut previous = "";
    for name in signed.split(';') {
        if !is_name(name) || name <= previous {
            return Err(incomplete(
                "SignedHeaders must be lowercase header names, sorted, each once.",
            ));
        }
        previous = name;
    }
    Ok(())
}

/// `YYYYMMDDTHHMMSSZ` and no other form of it.
fn parse_stamp(stamp: &str) -> Option<Timestamp> {
    let bytes: &[u8; 16] = stamp.as_bytes().try_into().ok()?;
    if bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to].iter().try_fold(0_i16, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + i16::from(digit - b'0'))
        })
    };
    let small = |from: usize| number(from, from + 2).and_then(|number| i8::try_from(number).ok());
    let time = DateTime::new(
        number(0, 4)?,
        small(4)?,
        small(6)?,
        small(9)?,
        small(11)?,
        small(13)?,
        0,
    )
    .ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

fn parse_signature(hex: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = hex.as_bytes().try_into().ok()?;
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut signature = [0; 32];
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(signature)
}

fn bad_credential() -> Exception {
    incomplete(
        "Credential must have exactly 5 slash-delimited elements: keyid/date/region/service/aws4_request.",
    )
}

fn incomplete(message: impl Into<std::borrow::Cow<'static, str>>) -> Exception {
    Exception::new(Kind::IncompleteSignature, message)
}

pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Exception {
    Exception::new(Kind::InvalidSignature, message)
}
