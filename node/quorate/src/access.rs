//! Where the operator commands call and as whom: flags, else the variables of AWS tools, else a `quorate dev` here.

use std::time::Duration;

use clap::Args;
use quorate_client::{Client, ClientConfig, DEFAULT_TIMEOUT};

use crate::dev::defaults;
use crate::failure::{Exit, Failure};

/// The flags of every command that calls the API.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Access {
    /// API address of a node, http://HOST:PORT; several are separated by commas [env: AWS_ENDPOINT_URL_ECS; else `quorate dev`]
    #[arg(long, global = true, value_name = "URL", help_heading = "Access")]
    endpoint_url: Option<String>,
    /// Region in the signature [env: AWS_REGION; else us-east-1]
    #[arg(long, global = true, value_name = "REGION", help_heading = "Access")]
    region: Option<String>,
    /// Seconds a call may take, an election included [default: 30]
    #[arg(long, global = true, value_name = "SECONDS", help_heading = "Access", value_parser = clap::value_parser!(u64).range(1..=3600))]
    call_timeout: Option<u64>,
}

impl Access {
    /// A client, once it is clear where it calls.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let config = self.config(|name| std::env::var(name).ok());
        Ok(Client::new(config?)?)
    }

    /// The same for calls that are soon made again, so that a node that hangs is left for the next one.
    pub(crate) fn client_within(&self, limit: Duration) -> Result<Client, Failure> {
        let mut config = self.config(|name| std::env::var(name).ok())?;
        config.timeout = config.timeout.min(limit);
        Ok(Client::new(config)?)
    }

    fn config(&self, variable: impl Fn(&str) -> Option<String>) -> Result<ClientConfig, Failure> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let endpoint = self
            .endpoint_url
            .clone()
            .or_else(|| set("AWS_ENDPOINT_URL_ECS"))
            .or_else(|| set("AWS_ENDPOINT_URL"));
        // A key pair without an endpoint of ours is most likely meant for AWS: it is not shown to `quorate dev`.
        let key = |name| if endpoint.is_some() { set(name) } else { None };
        let (access_key_id, secret_access_key) =
            match (key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY")) {
                (Some(id), Some(secret)) => (id, secret),
                (None, None) => (
                    defaults::ACCESS_KEY_ID.to_owned(),
                    defaults::SECRET_ACCESS_KEY.to_owned(),
                ),
                (Some(_), None) => return Err(half_a_pair("AWS_SECRET_ACCESS_KEY")),
                (None, Some(_)) => return Err(half_a_pair("AWS_ACCESS_KEY_ID")),
            };
        let region = self
            .region
            .clone()
            .or_else(|| key("AWS_REGION"))
            .or_else(|| key("AWS_DEFAULT_REGION"));
        Ok(ClientConfig {
            endpoints: endpoint.map_or_else(defaults::endpoints, |list| {
                list.split(',').map(|one| one.trim().to_owned()).collect()
            }),
            region: region.unwrap_or_else(|| defaults::REGION.to_owned()),
            access_key_id,
            secret_access_key,
            timeout: self
                .call_timeout
                .map_or(DEFAULT_TIMEOUT, Duration::from_secs),
        })
    }
}

fn half_a_pair(missing: &str) -> Failure {
    Failure::new(
        Exit::Config,
        format!("{missing} is not set, the other half of the key pair is"),
    )
    .next("set both or neither")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn config(access: &Access, pairs: &[(&str, &str)]) -> ClientConfig {
        access
            .config(|name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| (*value).to_owned())
            })
            .unwrap()
    }

    const AWS_KEYS: [(&str, &str); 3] = [
        ("AWS_ACCESS_KEY_ID", "AKREAL"),
        ("AWS_SECRET_ACCESS_KEY", "real"),
        ("AWS_REGION", "eu-west-1"),
    ];

    #[test]
    fn with_nothing_set_it_is_dev() {
        let config = config(&Access::default(), &[]);
        assert_eq!(
            config.endpoints,
            [
                "http://127.0.0.1:6570",
                "http://127.0.0.1:6580",
                "http://127.0.0.1:6590"
            ]
        );
        assert_eq!(config.access_key_id, "AKIAQUORATEDEV000000");
    }

    #[test]
    fn keys_for_aws_are_not_shown_to_dev() {
        let config = config(&Access::default(), &AWS_KEYS);
        assert_eq!(
            (config.access_key_id.as_str(), config.region.as_str()),
            ("AKIAQUORATEDEV000000", "us-east-1")
        );
    }

    #[test]
    fn a_flag_wins_over_the_environment() {
        let access = Access {
            endpoint_url: Some("http://a:1,http://b:2".to_owned()),
            ..Access::default()
        };
        let mut pairs = AWS_KEYS.to_vec();
        pairs.push(("AWS_ENDPOINT_URL_ECS", "http://c:3"));
        let config = config(&access, &pairs);
        assert_eq!(config.endpoints, ["http://a:1", "http://b:2"]);
        assert_eq!(
            (config.access_key_id.as_str(), config.region.as_str()),
            ("AKREAL", "eu-west-1")
        );
    }

    #[test]
    fn half_a_pair_is_refused() {
        let pairs = [("AWS_ENDPOINT_URL_ECS", "http://c:3"), AWS_KEYS[0]];
        let lookup = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let failure = Access::default().config(lookup).unwrap_err();
        assert_eq!(failure.code, 64);
    }
}
