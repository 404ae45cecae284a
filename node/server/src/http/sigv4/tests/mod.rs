//! What a signature proves here, shown by three means: AWS's own signing test suite, another signer as an oracle, and one
//! attack for each known way to get verification wrong.

#![allow(clippy::unwrap_used)]

mod attacks;
mod oracle;
mod suite;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderName, HeaderValue, Request};

use super::*;

pub(in crate::http) const KEY: &str = "AKIDEXAMPLE";
pub(in crate::http) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(in crate::http) const REGION: &str = "us-east-1";
pub(in crate::http) const ACCOUNT: &str = "123456789012";
/// 2026-11-22T12:00:00Z.
pub(in crate::http) const NOW: i64 = 1_795_348_800;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn verifier() -> Verifier {
    let key = AccessKey {
        id: KEY.into(),
        secret: SECRET.into(),
    };
    Verifier::new(REGION.into(), ACCOUNT, &[key])
}

fn verify(request: &Request<Vec<u8>>) -> Result<Verified, Exception> {
    let (parts, body) = request.clone().into_parts();
    verifier().verify(&Head::of(&parts), &body, now())
}

fn refusal(request: &Request<Vec<u8>>) -> (Kind, String) {
    let exception = verify(request).unwrap_err();
    (exception.kind(), exception.message().to_owned())
}

/// Who signs, and for what scope.
pub(in crate::http) struct Signer {
    pub(in crate::http) key: &'static str,
    pub(in crate::http) secret: &'static str,
    pub(in crate::http) token: Option<&'static str>,
    pub(in crate::http) region: &'static str,
    pub(in crate::http) service: &'static str,
    /// Seconds from [`NOW`].
    pub(in crate::http) offset: i64,
    pub(in crate::http) states_hash: bool,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            key: KEY,
            secret: SECRET,
            token: None,
            region: REGION,
            service: "ecs",
            offset: 0,
            states_hash: false,
        }
    }
}

impl Signer {
    /// Signs every header of the request with AWS's own library.
    pub(in crate::http) fn sign(&self, mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
        let identity = Credentials::new(
            self.key,
            self.secret,
            self.token.map(String::from),
            None,
            "test",
        )
        .into();
        let mut settings = SigningSettings::default();
        if self.states_hash {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let time =
            SystemTime::UNIX_EPOCH + Duration::from_secs((NOW + self.offset).try_into().unwrap());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let body = SignableBody::Bytes(request.body());
        let uri = format!(
            "http://{}{}",
            request.headers()["host"].to_str().unwrap(),
            request.uri()
        );
        let signable = SignableRequest::new(request.method().as_str(), uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        for (name, value) in instructions.headers() {
            let name: HeaderName = name.parse().unwrap();
            request
                .headers_mut()
                .insert(name, HeaderValue::from_str(value).unwrap());
        }
        request
    }
}

/// An unsigned call of an ECS operation, as an SDK sends it.
pub(in crate::http) fn call(operation: &str, body: &str) -> Request<Vec<u8>> {
    Request::post("/")
        .header("host", "127.0.0.1:6570")
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "x-amz-target",
            format!("AmazonEC2ContainerServiceV20141113.{operation}"),
        )
        .body(body.as_bytes().to_vec())
        .unwrap()
}

/// The same, signed as it should be.
fn signed_call() -> Request<Vec<u8>> {
    Signer::default().sign(call("ListClusters", "{}"))
}

/// Replaces text in the `Authorization` header.
fn tampered(mut request: Request<Vec<u8>>, from: &str, to: &str) -> Request<Vec<u8>> {
    let authorization = request.headers()["authorization"].to_str().unwrap();
    assert!(
        authorization.contains(from),
        "{from} is not in {authorization}"
    );
    let authorization = HeaderValue::from_str(&authorization.replace(from, to)).unwrap();
    request.headers_mut().insert("authorization", authorization);
    request
}

#[test]
fn a_signed_call_is_its_signers() {
    let verified = verify(&signed_call()).unwrap();
    assert_eq!(verified.service, Service::Ecs);
    assert_eq!(
        verified.principal.arn,
        "arn:aws:iam::123456789012:user/AKIDEXAMPLE"
    );
    assert_eq!(verified.principal.account, ACCOUNT);
}
