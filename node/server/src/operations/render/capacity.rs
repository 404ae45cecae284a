//! A capacity provider as its operations show it.

use quorate_core::Realm;
use quorate_core::documents::Tag;
use quorate_core::ids::ProviderName;
use quorate_core::state::{CapacityProvider, ProviderStatus};
use serde::Serialize;
use serde_json::{Value, json};

/// A capacity provider in an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ProviderJson {
    capacity_provider_arn: String,
    name: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_scaling_group_provider: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_status: Option<&'static str>,
    tags: Vec<Tag>,
}

impl ProviderJson {
    /// One that somebody made.
    pub(in super::super) fn of(realm: &Realm, one: &CapacityProvider, with_tags: bool) -> Self {
        let mut document = one.document.object();
        let group = document.remove("autoScalingGroupProvider");
        let update_status = match (one.status, one.updated_at) {
            (ProviderStatus::Inactive, _) => "DELETE_COMPLETE",
            (ProviderStatus::Active, Some(_)) => "UPDATE_COMPLETE",
            (ProviderStatus::Active, None) => "CREATE_COMPLETE",
        };
        Self {
            capacity_provider_arn: realm.provider(&one.name),
            name: one.name.to_string(),
            status: one.status.as_str(),
            r#type: group.is_some().then_some("EC2_AUTOSCALING"),
            auto_scaling_group_provider: group.map(with_defaults),
            update_status: Some(update_status),
            tags: super::tags(&one.tags, with_tags).to_vec(),
        }
    }

    /// FARGATE or FARGATE_SPOT.
    pub(in super::super) fn reserved(realm: &Realm, name: &ProviderName) -> Self {
        let is_spot = name.as_str() == ProviderName::FARGATE_SPOT;
        Self {
            capacity_provider_arn: realm.provider(name),
            name: name.to_string(),
            status: ProviderStatus::Active.as_str(),
            auto_scaling_group_provider: None,
            r#type: Some(if is_spot { "FARGATE_SPOT" } else { "FARGATE" }),
            update_status: None,
            tags: Vec::new(),
        }
    }
}

/// What holds where nothing was given: nothing is managed.
fn with_defaults(mut group: Value) -> Value {
    if let Some(members) = group.as_object_mut() {
        for member in ["managedDraining", "managedTerminationProtection"] {
            members.entry(member).or_insert_with(|| "DISABLED".into());
        }
        let scaling = members.entry("managedScaling").or_insert_with(|| json!({}));
        scaling["status"] = "DISABLED".into();
    }
    group
}
