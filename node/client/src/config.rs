//! Where a client calls and as whom: given by hand or read from the variables that AWS tools read.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;

/// The region that is assumed when none is named, as everywhere in Quorate.
const DEFAULT_REGION: &str = "us-east-1";

/// The time a call is given unless set: longer than an election, so that one dead leader alone does not fail a call.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a client calls, as whom, and how long it waits.
#[derive(Clone)]
pub struct ClientConfig {
    /// `http://host:port` of one or more nodes; the first that accepts a connection is kept.
    pub endpoints: Vec<String>,
    /// The region in the scope of every signature.
    pub region: String,
    /// The public half of the key pair.
    pub access_key_id: String,
    /// The secret half of the key pair.
    pub secret_access_key: String,
    /// The time one call is given, over all endpoints it tries.
    pub timeout: Duration,
}

/// Why a client cannot be made of what it was given.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable that is needed is not set.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// There is no endpoint to call.
    #[error("no endpoint was given")]
    NoEndpoint,
    /// An endpoint is not of the form `http://host:port`.
    #[error("endpoint {endpoint:?} is not of the form http://host:port: {why}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// A part of the signature would not survive as a header.
    #[error("{0} must be printable ASCII without spaces")]
    NotPlain(&'static str),
}

impl ClientConfig {
    /// Reads the environment: `AWS_ENDPOINT_URL_ECS` (else `AWS_ENDPOINT_URL`; several are separated by commas),
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, and `AWS_REGION` (else `AWS_DEFAULT_REGION`, else us-east-1).
    ///
    /// # Errors
    /// [`ConfigError::Missing`] names the first variable without which no call can be made.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`ClientConfig::from_env`], with the variables looked up by `variable`. Empty ones count as unset.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] names the first variable without which no call can be made.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &'static str| variable(name).filter(|value| !value.is_empty());
        let needed = |name| set(name).ok_or(ConfigError::Missing(name));
        let endpoint = set("AWS_ENDPOINT_URL_ECS")
            .or_else(|| set("AWS_ENDPOINT_URL"))
            .ok_or(ConfigError::Missing("AWS_ENDPOINT_URL_ECS"))?;
        Ok(Self {
            endpoints: split_endpoints(&endpoint),
            region: set("AWS_REGION")
                .or_else(|| set("AWS_DEFAULT_REGION"))
                .unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            access_key_id: needed("AWS_ACCESS_KEY_ID")?,
            secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?,
            timeout: DEFAULT_TIMEOUT,
        })
    }
}

/// The secret stays out of logs and panics.
impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("endpoints", &self.endpoints)
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn split_endpoints(list: &str) -> Vec<String> {
    list.split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect()
}

/// An endpoint in the forms a request needs it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// What requests go to: scheme, authority and the path `/`.
    pub(crate) uri: Uri,
    /// The value of the `Host` header, as it is signed.
    pub(crate) host: String,
}

impl Endpoint {
    /// Parses `http://host:port`, with or without a slash at the end.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = |why: &str| ConfigError::Endpoint {
            endpoint: text.to_owned(),
            why: why.to_owned(),
        };
        let uri: Uri = text
            .parse()
            .map_err(|error: http::uri::InvalidUri| refuse(&error.to_string()))?;
        if uri.scheme() == Some(&Scheme::HTTPS) {
            return Err(refuse(
                "nodes speak plain HTTP; put https:// only before a proxy that ends TLS, and call its HTTP side",
            ));
        }
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(refuse("it does not begin with http://"));
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err(refuse("there is something after the port"));
        }
        let authority = uri.authority().ok_or_else(|| refuse("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("a user name does not belong here"));
        }
        // The port that HTTP implies is left out, because hyper and every proxy leave it out of what they send.
        let host = match authority.port_u16() {
            Some(80) | None => authority.host().to_owned(),
            Some(port) => format!("{}:{port}", authority.host()),
        };
        Ok(Self { uri, host })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.host)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<ClientConfig, ConfigError> {
        ClientConfig::from_variables(|name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK")];

    #[test]
    fn the_services_own_endpoint_wins_and_may_be_a_list() {
        let mut pairs = KEYS.to_vec();
        pairs.extend([
            ("AWS_ENDPOINT_URL", "http://other:1"),
            ("AWS_ENDPOINT_URL_ECS", "http://a:1, http://b:2,"),
            ("AWS_REGION", ""),
        ]);
        let config = from(&pairs).unwrap();
        assert_eq!(config.endpoints, ["http://a:1", "http://b:2"]);
        assert_eq!(config.region, "us-east-1");
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = |pairs: &[(&str, &str)]| match from(pairs) {
            Err(ConfigError::Missing(name)) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(&KEYS), "AWS_ENDPOINT_URL_ECS");
        assert_eq!(
            missing(&[("AWS_ENDPOINT_URL", "http://a:1"), KEYS[0]]),
            "AWS_SECRET_ACCESS_KEY"
        );
    }

    #[test]
    fn an_endpoint_is_a_scheme_and_an_authority() {
        assert_eq!(
            Endpoint::parse("http://[::1]:6570/").unwrap().host,
            "[::1]:6570"
        );
        assert_eq!(
            Endpoint::parse("http://node:80").unwrap().to_string(),
            "http://node"
        );
        for bad in [
            "node:6570",
            "https://node",
            "http://node/ecs",
            "http://u@node",
            "http://node?x",
            "",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let mut pairs = KEYS.to_vec();
        pairs.push(("AWS_ENDPOINT_URL", "http://a:1"));
        assert!(!format!("{:?}", from(&pairs).unwrap()).contains("SK"));
    }
}
