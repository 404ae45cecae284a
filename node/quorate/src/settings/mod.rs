//! Where the settings of a server or an agent come from: flags, then the environment, then a TOML file.
//!
//! The three are layers of the same keys, so a setting has one name everywhere: `--node-id`, `QUORATE_SERVER_NODE_ID`,
//! `node-id = 1`. Which keys exist and what they mean is the affair of the crate that takes them; what is wrong with a
//! value is said together with the place it came from.

mod shape;

use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use shape::Shape;

use crate::logging::LogSettings;

/// A guess is made only if this alike (1.0 is equal): "lost-afer" is 0.98 like "lost-after", strangers are below 0.7.
const ALIKE_MIN: f64 = 0.8;

/// A key that is more than a text, or whose flag is not `--` and its name.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// A flag that is given once per element is in the singular.
    pub(crate) flag: Option<&'static str>,
    pub(crate) shape: Shape,
}

impl Key {
    pub(crate) const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            flag: None,
            shape,
        }
    }

    pub(crate) const fn with_flag(name: &'static str, flag: &'static str, shape: Shape) -> Self {
        Self {
            name,
            flag: Some(flag),
            shape,
        }
    }
}

/// Which process is configured.
pub(crate) struct Role {
    /// Before every variable: `QUORATE_SERVER_`.
    pub(crate) prefix: &'static str,
    /// Keys that are not listed are texts.
    pub(crate) keys: &'static [Key],
}

/// Everything that was given, not yet laid over each other.
#[derive(Default)]
pub(crate) struct Given {
    /// The flags by their keys, each a text or a list of texts.
    pub(crate) flags: Dict,
    /// All variables of the process.
    pub(crate) variables: Vec<(String, String)>,
    /// The value of `--config`.
    pub(crate) file: Option<PathBuf>,
}

impl Given {
    /// The flags of a clap structure that serializes to keys, and the variables of this process.
    pub(crate) fn here(flags: &impl Serialize, file: Option<PathBuf>) -> Self {
        let flags = Value::serialize(flags).expect("flags are texts and lists of texts");
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self {
            flags: flags.into_dict().unwrap_or_default(),
            variables: variables.collect(),
            file,
        }
    }
}

/// What no single value can know: a key and what is wrong with it in view of the others.
pub(crate) type Objection = (&'static str, String);

/// What is wrong with the settings, naming key and place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("read the configuration file {path}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is not TOML")]
    Syntax {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("there is no setting {place}{}", guess(.near))]
    Unknown { place: String, near: Option<String> },
    #[error("{place}: {what}")]
    Value { place: String, what: String },
    #[error("{places} is needed")]
    Missing { places: String },
}

fn guess(near: &Option<String>) -> String {
    near.as_ref()
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default()
}

/// The settings from one source. Figment remembers the name of the layer with every value.
struct Layer {
    name: String,
    dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

const FLAGS: &str = "flags";
const VARIABLES: &str = "variables";

/// The settings of a process of this role, and how it is to log. `check` looks at the settings as a whole.
pub(crate) fn load<C: DeserializeOwned>(
    role: &Role,
    given: Given,
    check: impl FnOnce(&C) -> Result<(), Objection>,
) -> Result<(C, LogSettings), SettingsError> {
    let file = given
        .file
        .or_else(|| role.config_variable(&given.variables));
    let mut layers = Vec::new();
    if let Some(path) = &file {
        layers.push(role.file_layer(path)?);
    }
    layers.push(role.variables_layer(&given.variables));
    layers.push(role.layer(FLAGS.to_owned(), given.flags));

    // The log belongs to the process, not to the crate it runs; the keys that are about it are taken out.
    let (mut rest, mut log) = (Figment::new(), Figment::new());
    for mut layer in layers {
        let about_log: Dict = LogSettings::KEYS
            .iter()
            .filter_map(|key| layer.dict.remove_entry(*key))
            .collect();
        log = log.merge(Layer {
            name: layer.name.clone(),
            dict: about_log,
        });
        rest = rest.merge(layer);
    }
    let log = log.extract().map_err(|error| role.explain(&log, error))?;
    let config = rest.extract().map_err(|error| role.explain(&rest, error))?;
    check(&config).map_err(|(key, what)| SettingsError::Value {
        place: role.place_in(&rest, key),
        what,
    })?;
    Ok((config, log))
}

impl Role {
    fn config_variable(&self, variables: &[(String, String)]) -> Option<PathBuf> {
        let name = format!("{}CONFIG", self.prefix);
        variables
            .iter()
            .find(|(key, value)| *key == name && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value))
    }

    fn file_layer(&self, path: &Path) -> Result<Layer, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(|source| SettingsError::Read {
            path: path.to_owned(),
            source,
        })?;
        let syntax = |error| SettingsError::Syntax {
            path: path.to_owned(),
            source: Box::new(error),
        };
        let table: toml::Table = text.parse().map_err(syntax)?;
        let value = Value::serialize(table).expect("what TOML can say, figment can hold");
        Ok(self.layer(
            path.display().to_string(),
            value.into_dict().expect("a TOML file is a table"),
        ))
    }

    fn variables_layer(&self, variables: &[(String, String)]) -> Layer {
        let mine = variables.iter().filter_map(|(name, text)| {
            let key = name
                .strip_prefix(self.prefix)?
                .to_ascii_lowercase()
                .replace('_', "-");
            (key != "config" && !text.is_empty()).then(|| (key, Value::from(text.as_str())))
        });
        self.layer(VARIABLES.to_owned(), mine.collect())
    }

    fn layer(&self, name: String, dict: Dict) -> Layer {
        let shaped = dict.into_iter().map(|(key, value)| {
            let value = self.shape(&key).value(value);
            (key, value)
        });
        Layer {
            name,
            dict: shaped.collect(),
        }
    }

    /// Keys that are not known are texts; that they are not known is found out at the end.
    fn shape(&self, key: &str) -> Shape {
        self.keys
            .iter()
            .find(|known| known.name == key)
            .map_or(Shape::Text, |known| known.shape)
    }

    /// Where a key is set in a source, as the user wrote it.
    fn place(&self, source: &str, key: &str) -> String {
        match source {
            FLAGS => self.flag(key),
            VARIABLES => self.variable(key),
            path => format!("{key} in {path}"),
        }
    }

    fn flag(&self, key: &str) -> String {
        let known = self
            .keys
            .iter()
            .find(|known| known.name == key)
            .and_then(|known| known.flag);
        known.map_or_else(|| format!("--{key}"), str::to_owned)
    }

    fn variable(&self, key: &str) -> String {
        format!(
            "{}{}",
            self.prefix,
            key.to_ascii_uppercase().replace('-', "_")
        )
    }

    /// Where a key is set, or could be.
    fn place_in(&self, figment: &Figment, key: &str) -> String {
        match figment.find_metadata(key) {
            Some(found) => self.place(&found.name, key),
            None => self.places(key),
        }
    }

    /// Where a value within a key is set. Which element of a list it is, the value itself tells better.
    fn place_at(&self, figment: &Figment, path: &[String]) -> String {
        let key = path.first().map(String::as_str).unwrap_or_default();
        let within = path
            .iter()
            .skip(1)
            .filter(|part| part.parse::<usize>().is_err());
        within.fold(self.place_in(figment, key), |place, part| {
            place + " " + part
        })
    }

    fn places(&self, key: &str) -> String {
        format!(
            "{} (or {}, or {key} in the file of --config)",
            self.flag(key),
            self.variable(key)
        )
    }

    fn explain(&self, figment: &Figment, error: figment::Error) -> SettingsError {
        match &error.kind {
            Kind::UnknownField(key, known) if error.path.iter().all(|part| part == key) => {
                let source = figment
                    .find_metadata(key)
                    .map(|found| found.name.as_ref())
                    .unwrap_or(FLAGS);
                let near = nearest(key, known).map(|near| match source {
                    FLAGS | VARIABLES => self.place(source, near),
                    _file => near.to_owned(),
                });
                SettingsError::Unknown {
                    place: self.place(source, key),
                    near,
                }
            }
            Kind::MissingField(key) => SettingsError::Missing {
                places: self.places(key),
            },
            Kind::UnknownVariant(found, known) => {
                let near = nearest(found, known).map(|near| near.to_owned());
                let what = format!("{found:?} is none of {}{}", known.join(", "), guess(&near));
                SettingsError::Value {
                    place: self.place_at(figment, &error.path),
                    what,
                }
            }
            kind => SettingsError::Value {
                place: self.place_at(figment, &error.path),
                what: kind.to_string(),
            },
        }
    }
}

/// The known name that is most like this one, if any is alike at all.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let alike = |name: &&'a str| (strsim::jaro_winkler(key, name), *name);
    known
        .iter()
        .map(alike)
        .filter(|(score, _)| *score >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
