//! Typed ids. A task id cannot be taken for an instance id; each is printed and parsed in one place, here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not the id it was said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct IdError {
    /// What was given.
    pub text: String,
    /// What it should have looked like.
    pub wanted: &'static str,
}

impl IdError {
    fn new(text: &str, wanted: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            wanted,
        }
    }
}

/// Ids that are numbers inside and hexadecimal text outside: `$digits` digits after `$prefix`.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $digits:literal, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u128);

        impl $name {
            /// The id made of the low bits of `value`.
            #[must_use]
            pub const fn from_u128(value: u128) -> Self {
                Self(if $digits == 32 { value } else { value & ((1 << ($digits * 4 % 128)) - 1) })
            }

            /// The id as a number.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:0", $digits, "x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = || IdError::new(text, $wanted);
                let digits = text.strip_prefix($prefix).ok_or_else(wrong)?;
                let all_hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                if digits.len() != $digits || !all_hex {
                    return Err(wrong());
                }
                u128::from_str_radix(digits, 16).map(Self).map_err(|_| wrong())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() { to.collect_str(self) } else { to.serialize_bytes(&self.0.to_be_bytes()) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    String::deserialize(from)?.parse().map_err(de::Error::custom)
                } else {
                    from.deserialize_bytes(SixteenBytes).map(Self::from_u128)
                }
            }
        }
    };
}

/// Reads the 16 bytes that an id is in its binary form.
struct SixteenBytes;

impl de::Visitor<'_> for SixteenBytes {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("16 bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<u128, E> {
        let bytes: [u8; 16] = bytes
            .try_into()
            .map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok(u128::from_be_bytes(bytes))
    }
}

hex_id! {
    /// A task: 32 hexadecimal digits, as in ECS.
    TaskId, "", 32, "a task id of 32 hexadecimal digits"
}
hex_id! {
    /// A container instance: `mi-` and 17 hexadecimal digits, as ECS names external instances.
    InstanceId, "mi-", 17, "a container instance id (mi- and 17 hexadecimal digits)"
}
hex_id! {
    /// A container of a task; the last part of its ARN.
    ContainerId, "", 32, "a container id of 32 hexadecimal digits"
}
hex_id! {
    /// One intended change, however often it is tried: equal ids are applied once.
    RequestId, "", 32, "a request id of 32 hexadecimal digits"
}
hex_id! {
    /// One connection of an agent; a newer session of an instance ends the older.
    SessionId, "", 32, "a session id of 32 hexadecimal digits"
}
hex_id! {
    /// One disk of one node: made when its store is made, never again.
    StoreId, "", 32, "a store id of 32 hexadecimal digits"
}

/// A member of the control plane. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Names that users give: 1 to 255 letters, digits, hyphens and underscores.
macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(IdError::new(text, $wanted)) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// Whether `text` is a name in ECS's sense: up to 255 letters (upper and lower case), numbers, underscores and hyphens.
fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

name_id! {
    /// A cluster's name; unique, and its id in state.
    ClusterName, "a cluster name (up to 255 letters, digits, hyphens and underscores)"
}
name_id! {
    /// The family of a task definition.
    Family, "a family name (up to 255 letters, digits, hyphens and underscores)"
}

name_id! {
    /// A service's name; unique in its cluster while the service is not INACTIVE.
    ServiceName, "a service name (up to 255 letters, digits, hyphens and underscores)"
}

name_id! {
    /// A capacity provider's name; unique, and its id in state.
    ProviderName, "a capacity provider name (up to 255 letters, digits, hyphens and underscores)"
}

impl ProviderName {
    /// ECS's own: it is there without being made, and is never deleted.
    pub const FARGATE: &str = "FARGATE";
    /// The other one.
    pub const FARGATE_SPOT: &str = "FARGATE_SPOT";

    /// The provider that launch type FARGATE is served by.
    #[must_use]
    pub fn fargate() -> Self {
        Self(Self::FARGATE.into())
    }

    /// Whether it is ECS's own.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        [Self::FARGATE, Self::FARGATE_SPOT].contains(&self.as_str())
    }

    /// The launch type that its tasks are shown with.
    #[must_use]
    pub fn launch_type(&self) -> &'static str {
        if self.is_reserved() {
            Self::FARGATE
        } else {
            "EC2"
        }
    }
}

/// A service: its cluster and its name there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: ServiceName,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cluster, self.name)
    }
}

/// A deployment of a service: `ecs-svc/N`. The revision that it deploys has the same N. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(pub u64);

impl DeploymentId {
    /// The lowest number: nineteen digits, as ECS's have.
    const MIN: u64 = 1_000_000_000_000_000_000;

    /// The deployment that a request makes, however often it is tried.
    #[must_use]
    pub const fn of(request: RequestId) -> Self {
        Self(Self::MIN + (request.0 as u64) % (8 * Self::MIN))
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ecs-svc/{}", self.0)
    }
}

impl FromStr for DeploymentId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let number = text.strip_prefix("ecs-svc/").and_then(|n| n.parse().ok());
        number
            .map(Self)
            .ok_or_else(|| IdError::new(text, "a deployment id (ecs-svc/N)"))
    }
}

/// A task set: its service, and its id there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskSetKey {
    /// Its service.
    pub service: ServiceKey,
    /// Numbered as deployments are.
    pub id: DeploymentId,
}

impl fmt::Display for TaskSetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.id)
    }
}

impl ClusterName {
    /// The cluster meant when none is named.
    #[must_use]
    pub fn default_cluster() -> Self {
        Self("default".into())
    }
}

/// One revision of a family: `family:revision`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DefinitionId {
    /// The family.
    pub family: Family,
    /// 1, 2, 3 ...; never reused.
    pub revision: u64,
}

impl fmt::Display for DefinitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.family, self.revision)
    }
}

impl FromStr for DefinitionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new(text, "a task definition (family:revision)");
        let (family, revision) = text.rsplit_once(':').ok_or_else(wrong)?;
        let revision: u64 = revision.parse().map_err(|_| wrong())?;
        if revision == 0 {
            return Err(wrong());
        }
        Ok(Self {
            family: family.parse()?,
            revision,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_print_as_they_parse() {
        let instance = InstanceId::from_u128(u128::MAX);
        assert_eq!(instance.to_string(), "mi-fffffffffffffffff");
        assert_eq!(
            instance.to_string().parse::<InstanceId>().unwrap(),
            instance
        );
        let task = TaskId::from_u128(u128::MAX - 1);
        assert_eq!(task.to_string().parse::<TaskId>().unwrap(), task);
        for wrong in [
            "",
            "mi-",
            "mi-123",
            "mi-ffffffffffffffffF",
            "mi-+ffffffffffffffff",
            "i-fffffffffffffffff",
        ] {
            assert!(wrong.parse::<InstanceId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn definitions_need_a_family_and_a_positive_revision() {
        assert_eq!(
            "web:7".parse::<DefinitionId>().unwrap().to_string(),
            "web:7"
        );
        for wrong in ["web", "web:0", "web:-1", ":1", "we b:1", "web:x"] {
            assert!(wrong.parse::<DefinitionId>().is_err(), "{wrong}");
        }
    }
}
