//! UpdateCluster, UpdateClusterSettings: what is given changes, the rest stays.

use quorate_core::Command;
use quorate_core::documents::Document;
use serde::Deserialize;
use serde_json::Value;

use super::clusters::{self, Namespace};
use super::exception::Exception;
use super::input::{Input, check_list};
use super::{Intent, Scene};

/// What a cluster can be told of CloudWatch's Container Insights. Quorate keeps it for whoever reads it; its own figures are on each node.
const INSIGHTS: [&str; 3] = ["enhanced", "enabled", "disabled"];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    cluster: String,
    settings: Option<Vec<Setting>>,
    service_connect_defaults: Option<Namespace>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Setting {
    name: String,
    value: String,
}

/// UpdateCluster.
pub(super) fn update(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let asked: Asked = input.clone().read()?;
    let namespace = asked.service_connect_defaults.as_ref();
    namespace.map_or(Ok(()), Namespace::check)?;
    if let Some(settings) = &asked.settings {
        check_settings(settings)?;
    }
    changed(scene, &asked.cluster, input, &["settings", "configuration"])
}

/// UpdateClusterSettings.
pub(super) fn update_settings(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let asked: Asked = input.clone().read()?;
    let settings = asked.settings.unwrap_or_default();
    check_list("Settings", &settings, 1)?;
    check_settings(&settings)?;
    changed(scene, &asked.cluster, input, &["settings"])
}

fn check_settings(settings: &[Setting]) -> Result<(), Exception> {
    let wrong = settings
        .iter()
        .find(|one| one.name != "containerInsights" || !INSIGHTS.contains(&one.value.as_str()));
    match wrong {
        Some(Setting { name, value }) => Err(Exception::invalid_parameter(format!(
            "Invalid setting {name:?} with value {value:?}: the only one is containerInsights, with enhanced, enabled or disabled."
        ))),
        None => Ok(()),
    }
}

fn changed(
    scene: &Scene<'_>,
    cluster: &str,
    mut input: Input,
    members: &[&str],
) -> Result<Intent, Exception> {
    let name = clusters::named(scene, Some(cluster))?;
    let cluster = clusters::active(scene, &name)?;
    let mut document = cluster.document.object();
    for member in members {
        if let Some(value) = input.take(member).filter(|value| *value != Value::Null) {
            document.insert((*member).to_owned(), value);
        }
    }
    let document = Document::new(&document);
    clusters::check_size(&document)?;
    Ok(Intent::Change(Command::UpdateCluster { name, document }))
}
