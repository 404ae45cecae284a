//! Signature Version 4, the half that signs, all headers signed.
//!
//! Written apart from the server's half, and compared with AWS's own signer by a property test below.

use std::fmt::Write as _;
use std::sync::Mutex;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// The only algorithm of this scheme.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The most derived keys that are kept: one per service and day, for two services around midnight.
const KEYS_KEPT: usize = 4;

/// A key pair in a region, with the keys derived for today.
pub(crate) struct Signer {
    access_key_id: String,
    /// `AWS4` and the secret, the start of every derivation.
    seed: String,
    region: String,
    /// Deriving costs four of the five HMACs of a signature, and the result holds for a day.
    derived: Mutex<Vec<Derived>>,
}

struct Derived {
    date: String,
    service: &'static str,
    key: [u8; 32],
}

impl Signer {
    pub(crate) fn new(access_key_id: String, secret_access_key: &str, region: String) -> Self {
        Self {
            access_key_id,
            seed: format!("AWS4{secret_access_key}"),
            region,
            derived: Mutex::default(),
        }
    }

    /// The `Authorization` header for a request that begins with `head` (method, path and canonical query, each on a line), has exactly
    /// these headers (lower-case names in order, `host` and `x-amz-date` among them) and a body of this digest. `amz_date` is the value
    /// of `x-amz-date`.
    pub(crate) fn authorization(
        &self,
        service: &'static str,
        head: &str,
        headers: &[(&str, &str)],
        body_sha256: &str,
        amz_date: &str,
    ) -> String {
        debug_assert!(
            headers.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "header names are sorted and unique"
        );
        let (canonical, signed) = canonical_request(head, headers, body_sha256);
        let date = amz_date
            .get(..8)
            .expect("amz_date() writes eight digits before the T");
        let scope = format!("{date}/{}/{service}/aws4_request", self.region);
        let to_sign = format!(
            "{ALGORITHM}\n{amz_date}\n{scope}\n{}",
            sha256_hex(canonical.as_bytes())
        );
        let signature = hex(&mac(&self.key(date, service), to_sign.as_bytes()));
        format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}",
            self.access_key_id
        )
    }

    /// The key for one day and service, derived at most once per day in the common case.
    fn key(&self, date: &str, service: &'static str) -> [u8; 32] {
        let mut derived = self
            .derived
            .lock()
            .expect("nothing panics while this lock is held");
        if let Some(found) = derived
            .iter()
            .find(|one| one.date == date && one.service == service)
        {
            return found.key;
        }
        let key = [self.region.as_str(), service, "aws4_request"]
            .iter()
            .fold(mac(self.seed.as_bytes(), date.as_bytes()), |key, part| {
                mac(&key, part.as_bytes())
            });
        if derived.len() == KEYS_KEPT {
            derived.remove(0);
        }
        derived.push(Derived {
            date: date.to_owned(),
            service,
            key,
        });
        key
    }
}

/// A time as `x-amz-date` wants it: `20261122T183000Z`.
pub(crate) fn amz_date(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The digest of a body, as it enters the signature.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The canonical request and the list of signed headers in it.
fn canonical_request(head: &str, headers: &[(&str, &str)], body_sha256: &str) -> (String, String) {
    let mut canonical = String::with_capacity(512);
    canonical.push_str(head);
    canonical.push('\n');
    let mut signed = String::with_capacity(64);
    for (name, value) in headers {
        canonical.push_str(name);
        canonical.push(':');
        for (index, word) in value.split_ascii_whitespace().enumerate() {
            if index > 0 {
                canonical.push(' ');
            }
            canonical.push_str(word);
        }
        canonical.push('\n');
        if !signed.is_empty() {
            signed.push(';');
        }
        signed.push_str(name);
    }
    write!(canonical, "\n{signed}\n{body_sha256}").expect("writing to a String cannot fail");
    (canonical, signed)
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, SystemTime};

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4;
    use proptest::prelude::*;

    use super::*;

    /// What AWS's own signer would put into `Authorization` for the same request.
    fn oracle(
        keys: (&str, &str),
        region: &str,
        service: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        at: SystemTime,
    ) -> String {
        let identity = Credentials::new(keys.0, keys.1, None, None, "test").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(at)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        // The oracle adds x-amz-date itself.
        let given = headers
            .iter()
            .filter(|(name, _)| *name != "x-amz-date")
            .copied();
        let request =
            SignableRequest::new("POST", "http://unused/", given, SignableBody::Bytes(body))
                .unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let (headers, _) = instructions.into_parts();
        headers
            .iter()
            .find(|header| header.name() == "authorization")
            .unwrap()
            .value()
            .to_owned()
    }

    proptest! {
        #[test]
        fn signs_as_aws_does(
            access in "[A-Z0-9]{16,24}",
            secret in "[ -~]{1,80}",
            region in "[a-z]{2}-[a-z]{4,9}-[1-9]",
            service in prop::sample::select(vec!["ecs", "sts"]),
            host in "[a-z0-9.-]{1,30}:[1-9][0-9]{1,3}",
            target in "[!-~]{1,60}",
            spaced in "[!-~]{1,9}( {1,3}[!-~]{1,9}){0,3}",
            body in prop::collection::vec(any::<u8>(), 0..300),
            seconds in 0_u64..4_000_000_000,
        ) {
            let at = Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap();
            let date = amz_date(at);
            let headers =
                [("content-type", spaced.as_str()), ("host", &host), ("x-amz-date", &date), ("x-amz-target", &target)];
            let signer = Signer::new(access.clone(), &secret, region.clone());
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let expected = oracle((&access, &secret), &region, service, &headers, &body, time);
            for _ in 0..2 {
                // The second time the key comes out of the cache.
                prop_assert_eq!(signer.authorization(service, "POST\n/\n", &headers, &sha256_hex(&body), &date), expected.clone());
            }
        }
    }

    #[test]
    fn a_key_is_kept_per_day_and_service() {
        let signer = Signer::new("AK".to_owned(), "SK", "us-east-1".to_owned());
        let first = signer.key("20261122", "ecs");
        assert_ne!(first, signer.key("20261122", "sts"));
        for day in 23..=29 {
            assert_ne!(first, signer.key(&format!("202611{day}"), "ecs"));
        }
        assert_eq!(signer.derived.lock().unwrap().len(), KEYS_KEPT);
        assert_eq!(first, signer.key("20261122", "ecs"));
    }
}
