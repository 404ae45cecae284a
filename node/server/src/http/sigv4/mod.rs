//! AWS Signature Version 4, verified: who sent this request, and is it the request they signed.
//!
//! The order of the checks gives nothing away. What only depends on the request itself (form, scope, time, coverage, body)
//! is refused first with a helpful text; then the signature is computed with the key or, if nobody has that key, with a
//! stranger's, and compared in constant time; only then are unknown key and wrong signature told apart, in AWS's words.
//!
//! Seen signatures are not remembered. Two equal calls signed within one second have the same signature, and HTTP libraries
//! send a signed request again when a kept connection turns out dead; refusing those would break honest clients. And a
//! memory per node would not stop a replay at the next node. What limits a replay is the time window, TLS, and that the
//! operations it could repeat are idempotent or carry a client token.

mod canonical;
mod claim;
mod keys;
#[cfg(test)]
pub(super) mod tests;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(super) use self::canonical::{Head, canonical_path};
pub(super) use self::claim::single;
use self::claim::{ALGORITHM, BODY_HASH, Claim, SECURITY_TOKEN, invalid};
use self::keys::KeyRing;
use crate::config::AccessKey;
use crate::gateway::{Principal, Service};
use crate::operations::exception::{Exception, Kind};

/// How far a signature's time may be from ours, either way. AWS's own window.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                        Access Key and signing method. Consult the service documentation for details.";

/// A request that was signed by whom it says, for the service it says.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) principal: Principal,
    pub(super) service: Service,
}

/// Verifies requests against one set of keys in one region.
pub(super) struct Verifier {
    keys: KeyRing,
}

impl Verifier {
    pub(super) fn new(region: String, account: &str, keys: &[AccessKey]) -> Self {
        Self {
            keys: KeyRing::new(region, account, keys),
        }
    }

    /// Verifies a request with its whole body, at time `now`.
    pub(super) fn verify(
        &self,
        head: &Head<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Verified, Exception> {
        let claim = Claim::parse(head)?;
        let service = check_scope(&claim, self.keys.region())?;
        check_time(&claim, now)?;
        claim.check_signed(head)?;
        let body_hash = check_body(head, body)?;

        let mut hasher = Sha256::new();
        head.write_canonical(claim.signed(), &body_hash, &mut |piece| {
            hasher.update(piece);
        });
        let request_hash = hex(&hasher.finalize());
        let string_to_sign = [
            ALGORITHM,
            "\n",
            claim.stamp,
            "\n",
            claim.scope,
            "\n",
            &request_hash,
        ];
        let string_to_sign = string_to_sign.map(str::as_bytes);
        let (expected, principal) =
            self.keys
                .sign(claim.key_id, claim.day, service, &string_to_sign);
        let is_equal = bool::from(expected.ct_eq(&claim.signature));

        // A session token belongs to temporary credentials, of which there are none here.
        match principal.filter(|_| !head.headers.contains_key(SECURITY_TOKEN)) {
            None => Err(Exception::new(
                Kind::UnrecognizedClient,
                "The security token included in the request is invalid.",
            )),
            Some(_) if !is_equal => Err(invalid(MISMATCH)),
            Some(principal) => Ok(Verified {
                principal: principal.clone(),
                service,
            }),
        }
    }
}

fn check_scope(claim: &Claim<'_>, region: &str) -> Result<Service, Exception> {
    if claim.day != &claim.stamp[..8] {
        return Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', \
             from '{}'.",
            claim.day,
            &claim.stamp[..8],
            claim.stamp
        )));
    }
    if claim.region != region {
        return Err(invalid(format!(
            "Credential should be scoped to a valid region: this endpoint serves '{region}'."
        )));
    }
    Service::named(claim.service)
        .ok_or_else(|| invalid("Credential should be scoped to correct service: 'ecs' or 'sts'."))
}

/// The texts are the ones that SDKs recognise as a clock that is off; they then take our time from the `Date` header.
fn check_time(claim: &Claim<'_>, now: Timestamp) -> Result<(), Exception> {
    let stamp = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
    let (sent, minutes) = (claim.stamp, WINDOW.as_mins());
    let offset = claim.time.duration_since(now);
    if offset < -WINDOW {
        let earliest = stamp(now - WINDOW);
        let message = format!(
            "Signature expired: {sent} is now earlier than {earliest} ({} - {minutes} min.)",
            stamp(now)
        );
        return Err(invalid(message));
    }
    if offset > WINDOW {
        let latest = stamp(now + WINDOW);
        let message = format!(
            "Signature not yet current: {sent} is still later than {latest} ({} + {minutes} min.)",
            stamp(now)
        );
        return Err(invalid(message));
    }
    Ok(())
}

/// The hash of the body that was received, in hex. A client that states a hash must state this one; a body that is not
/// signed (`UNSIGNED-PAYLOAD`) or signed in chunks (`STREAMING-...`) has no place in this API.
fn check_body(head: &Head<'_>, body: &[u8]) -> Result<String, Exception> {
    let hash = hex(&Sha256::digest(body));
    match single(head.headers, &BODY_HASH)? {
        Some(stated) if stated.starts_with("UNSIGNED-") || stated.starts_with("STREAMING-") => {
            Err(invalid(
                "The body must be signed: x-amz-content-sha256 must be the SHA-256 of the body.",
            ))
        }
        Some(stated) if stated != hash => Err(invalid(
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )),
        _ => Ok(hash),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
