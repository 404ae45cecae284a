//! The access keys that may sign, and the signing keys derived from them.
//!
//! Deriving takes four HMACs and gives the same key all day, so the derived key is kept, ready to use, per access key,
//! day and service (the region is the server's own). A key that nobody has costs the same work as one that exists.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use sha2::Sha256;

use crate::config::AccessKey;
use crate::gateway::{Principal, Service};

/// Derived keys kept per access key: two services, on the two days that a time window can touch.
const DERIVED_KEPT: usize = 4;

/// All keys that this listener knows.
pub(super) struct KeyRing {
    region: String,
    known: HashMap<String, Signer>,
    /// Signs for keys that nobody has; its signatures are thrown away.
    stranger: Signer,
}

impl KeyRing {
    /// Until there are users, a key is a user of the same name.
    pub(super) fn new(region: String, account: &str, keys: &[AccessKey]) -> Self {
        let signer = |key: &AccessKey| {
            let principal = Principal {
                arn: format!("arn:aws:iam::{account}:user/{}", key.id),
                account: account.to_owned(),
                access_key_id: key.id.clone(),
                user_id: key.id.clone(),
            };
            Signer::new(key.secret.clone(), principal)
        };
        let stranger = AccessKey {
            id: String::new(),
            secret: "nobody".to_owned(),
        };
        let known = keys
            .iter()
            .map(|key| (key.id.clone(), signer(key)))
            .collect();
        Self {
            region,
            known,
            stranger: signer(&stranger),
        }
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The signature that the key would give, and its principal if somebody has the key.
    pub(super) fn sign(
        &self,
        key_id: &str,
        day: &str,
        service: Service,
        string_to_sign: &[&[u8]],
    ) -> ([u8; 32], Option<&Principal>) {
        let known = self.known.get(key_id);
        let mut mac = known
            .unwrap_or(&self.stranger)
            .derived(day, &self.region, service);
        for piece in string_to_sign {
            mac.update(piece);
        }
        (
            mac.finalize().into_bytes().into(),
            known.map(|signer| &signer.principal),
        )
    }
}

struct Signer {
    secret: String,
    principal: Principal,
    /// The newest last.
    derived: RwLock<Vec<Derived>>,
}

struct Derived {
    day: String,
    service: Service,
    mac: Hmac<Sha256>,
}

impl Signer {
    fn new(secret: String, principal: Principal) -> Self {
        Self {
            secret,
            principal,
            derived: RwLock::new(Vec::with_capacity(DERIVED_KEPT)),
        }
    }

    fn derived(&self, day: &str, region: &str, service: Service) -> Hmac<Sha256> {
        let is_it = |derived: &&Derived| derived.service == service && derived.day == day;
        if let Some(derived) = self.derived.read().iter().find(is_it) {
            return derived.mac.clone();
        }
        let mac = derive(&self.secret, day, region, service.name());
        let mut kept = self.derived.write();
        if !kept.iter().any(|derived| is_it(&derived)) {
            if kept.len() == DERIVED_KEPT {
                kept.remove(0);
            }
            kept.push(Derived {
                day: day.to_owned(),
                service,
                mac: mac.clone(),
            });
        }
        mac
    }
}

/// The signing key of a scope.
pub(super) fn derive(secret: &str, day: &str, region: &str, service: &str) -> Hmac<Sha256> {
    let mut key = keyed(format!("AWS4{secret}").as_bytes());
    for part in [day, region, service, "aws4_request"] {
        key.update(part.as_bytes());
        key = keyed(&key.finalize().into_bytes());
    }
    key
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_keys_are_kept_but_not_without_end() {
        let key = AccessKey {
            id: "AK".into(),
            secret: "secret".into(),
        };
        let ring = KeyRing::new("us-east-1".into(), "000000000000", &[key]);
        let sign = |day: &str| ring.sign("AK", day, Service::Ecs, &[b"text"]).0;
        let first = sign("20261101");
        for day in 2..20 {
            assert_ne!(sign(&format!("202611{day:02}")), first);
        }
        assert_eq!(sign("20261101"), first);
        assert_eq!(ring.known["AK"].derived.read().len(), DERIVED_KEPT);
    }
}
