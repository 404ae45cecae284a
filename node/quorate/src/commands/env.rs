//! `quorate env`: the variables that point AWS tools at a `quorate dev`, for the shell or as JSON.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use crate::dev::defaults;
use crate::failure::Failure;
use crate::render::print;

/// For which shell, and which node.
#[derive(Args, Debug)]
pub(crate) struct EnvArgs {
    /// Form of the output; auto looks at SHELL
    #[arg(long, value_enum, default_value_t)]
    shell: Shell,
    /// Which node of `quorate dev` to point at
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=99))]
    node: u16,
    /// The --base-port that `quorate dev` was given
    #[arg(long, value_name = "PORT", default_value_t = defaults::BASE_PORT)]
    base_port: u16,
    /// API address to point at instead
    #[arg(long, value_name = "URL", conflicts_with_all = ["node", "base_port"])]
    endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shell {
    #[default]
    Auto,
    Sh,
    Fish,
    Json,
}

pub(crate) fn run(args: &EnvArgs) -> Result<(), Failure> {
    let endpoint = args
        .endpoint
        .clone()
        .unwrap_or_else(|| defaults::endpoint(args.base_port, args.node));
    let shell = match args.shell {
        Shell::Auto if std::env::var("SHELL").is_ok_and(|shell| shell.ends_with("/fish")) => {
            Shell::Fish
        }
        Shell::Auto => Shell::Sh,
        chosen => chosen,
    };
    print(&rendered(shell, &variables(&endpoint)))
}

/// Only names of services we answer: the bare `AWS_ENDPOINT_URL` would send the user's S3 calls here as well.
fn variables(endpoint: &str) -> [(&'static str, String); 6] {
    [
        ("AWS_ENDPOINT_URL_ECS", endpoint.to_owned()),
        ("AWS_ENDPOINT_URL_STS", endpoint.to_owned()),
        ("AWS_ACCESS_KEY_ID", defaults::ACCESS_KEY_ID.to_owned()),
        (
            "AWS_SECRET_ACCESS_KEY",
            defaults::SECRET_ACCESS_KEY.to_owned(),
        ),
        ("AWS_REGION", defaults::REGION.to_owned()),
        ("AWS_DEFAULT_REGION", defaults::REGION.to_owned()),
    ]
}

fn rendered(shell: Shell, variables: &[(&str, String)]) -> String {
    let lines = |line: fn(&str, &str) -> String| {
        variables
            .iter()
            .map(|(name, value)| line(name, value))
            .collect()
    };
    match shell {
        Shell::Auto | Shell::Sh => {
            lines(|name, value| format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
        }
        Shell::Fish => lines(|name, value| {
            let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
            format!("set -gx {name} '{quoted}';\n")
        }),
        Shell::Json => {
            let object: Map<String, Value> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
                .collect();
            format!("{:#}\n", Value::Object(object))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_its_own_words() {
        let variables = [("AWS_REGION", "it's".to_owned())];
        assert_eq!(
            rendered(Shell::Sh, &variables),
            "export AWS_REGION='it'\\''s'\n"
        );
        assert_eq!(
            rendered(Shell::Fish, &variables),
            "set -gx AWS_REGION 'it\\'s';\n"
        );
        assert_eq!(
            rendered(Shell::Json, &variables),
            "{\n  \"AWS_REGION\": \"it's\"\n}\n"
        );
    }

    #[test]
    fn no_variable_concerns_other_services() {
        let names = variables("http://127.0.0.1:6570").map(|(name, _)| name);
        assert!(!names.contains(&"AWS_ENDPOINT_URL"));
    }
}
