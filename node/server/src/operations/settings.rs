//! PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting, ListAccountSettings.
//!
//! Of ECS's settings one changes what Quorate does: containerInsights, which new clusters begin with. The others are listed with the value
//! that holds here, and can be set to that value only: nothing is accepted and then ignored.

use bytes::Bytes;
use quorate_core::{Command, Reply};
use serde::{Deserialize, Serialize};

use super::exception::Exception;
use super::input::Input;
use super::page::{Order, Paging};
use super::render;
use super::{Intent, Outcome, Scene, refusals};

/// ECS: settings on a page.
const PAGE: usize = 10;
/// What clusters begin with if their author says nothing.
pub(super) const CONTAINER_INSIGHTS: &str = "containerInsights";

/// A setting: the value that holds if nobody set one, and the others that ECS has.
struct Setting {
    name: &'static str,
    otherwise: &'static str,
    others: &'static [&'static str],
}

const SETTINGS: &[Setting] = &[
    one("awsvpcTrunking", "disabled", &["enabled"]),
    one(CONTAINER_INSIGHTS, "disabled", &["enabled", "enhanced"]),
    one("containerInstanceLongArnFormat", "enabled", &["disabled"]),
    one("defaultLogDriverMode", "non-blocking", &["blocking"]),
    one("fargateEventWindows", "disabled", &["enabled"]),
    one("fargateFIPSMode", "disabled", &["enabled"]),
    one("fargateTaskRetirementWaitPeriod", "7", &["0", "14"]),
    one("guardDutyActivate", "off", &["on"]),
    one("serviceLongArnFormat", "enabled", &["disabled"]),
    one("tagResourceAuthorization", "off", &["on"]),
    one("taskLongArnFormat", "enabled", &["disabled"]),
];

const fn one(
    name: &'static str,
    otherwise: &'static str,
    others: &'static [&'static str],
) -> Setting {
    Setting {
        name,
        otherwise,
        others,
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    name: Option<String>,
    value: Option<String>,
    principal_arn: Option<String>,
    effective_settings: bool,
    #[serde(flatten)]
    paging: Paging,
}

/// PutAccountSetting: of the caller, or of the principal that is named; the root user's is the account's default.
pub(super) fn put(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let asked: Asked = input.read()?;
    let principal = principal(scene, asked.principal_arn.as_deref())?;
    change(&asked, principal)
}

/// PutAccountSettingDefault.
pub(super) fn put_default(_: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    change(&input.read()?, None)
}

/// DeleteAccountSetting: what holds afterwards is the account's default, or ECS's.
pub(super) fn delete(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let asked: Asked = input.read()?;
    let setting = known(asked.name.as_deref())?;
    let principal = principal(scene, asked.principal_arn.as_deref())?;
    Ok(Intent::Change(Command::PutSetting {
        principal,
        name: setting.name.to_owned(),
        value: None,
    }))
}

fn change(asked: &Asked, principal: Option<String>) -> Result<Intent, Exception> {
    let setting = known(asked.name.as_deref())?;
    let value = asked.value.as_deref().unwrap_or_default();
    let can_be = setting.name == CONTAINER_INSIGHTS || value == setting.otherwise;
    if !can_be && setting.others.contains(&value) {
        let text = format!("Account setting {} {value}", setting.name);
        return Err(refusals::unsupported(&text));
    }
    if value != setting.otherwise && !setting.others.contains(&value) {
        return Err(Exception::invalid_parameter(format!(
            "The value of account setting {} can be {} or {}.",
            setting.name,
            setting.otherwise,
            setting.others.join(" or ")
        )));
    }
    Ok(Intent::Change(Command::PutSetting {
        principal,
        name: setting.name.to_owned(),
        value: Some(value.to_owned()),
    }))
}

fn known(name: Option<&str>) -> Result<&'static Setting, Exception> {
    let name = name.unwrap_or_default();
    let found = SETTINGS.iter().find(|one| one.name == name);
    found.ok_or_else(|| {
        Exception::invalid_parameter(format!("There is no account setting {name:?}."))
    })
}

/// Whose setting is meant: the caller's, unless a principal of this account is named; `None` for the account's default.
fn principal(scene: &Scene<'_>, named: Option<&str>) -> Result<Option<String>, Exception> {
    let arn = named.unwrap_or(&scene.caller.arn);
    let account = format!("arn:aws:iam::{}:", scene.realm.account);
    match arn.strip_prefix(&account) {
        Some("root") => Ok(None),
        Some(one) if one.starts_with("user/") || one.starts_with("role/") => {
            Ok(Some(arn.to_owned()))
        }
        _ => Err(Exception::invalid_parameter(format!(
            "Invalid principal: {arn:?} is not the ARN of a user, a role or the root user of this account."
        ))),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingJson {
    name: &'static str,
    value: String,
    principal_arn: String,
    r#type: &'static str,
}

fn shown(scene: &Scene<'_>, name: &str, value: String, principal: Option<&str>) -> SettingJson {
    let root = || format!("arn:aws:iam::{}:root", scene.realm.account);
    let found = SETTINGS.iter().find(|one| one.name == name);
    SettingJson {
        name: found.map_or("", |one| one.name),
        value,
        principal_arn: principal.map_or_else(root, str::to_owned),
        // What GuardDuty does is switched in GuardDuty.
        r#type: match name {
            "guardDutyActivate" => "aws_managed",
            _ => "user",
        },
    }
}

#[derive(Serialize)]
struct Answer {
    setting: SettingJson,
}

/// The answer of PutAccountSetting, PutAccountSettingDefault and DeleteAccountSetting.
pub(super) fn changed(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Setting {
        principal,
        name,
        value,
    } = &outcome.reply
    else {
        return Err(outcome.strange());
    };
    let otherwise = || known(Some(name)).map(|one| one.otherwise.to_owned());
    let value = value.clone().map_or_else(otherwise, Ok)?;
    Ok(render::body(&Answer {
        setting: shown(scene, name, value, principal.as_deref()),
    }))
}

/// The value that holds for a principal: its own, or the account's default, or ECS's.
fn effective(scene: &Scene<'_>, principal: Option<&str>, setting: &Setting) -> String {
    let own = scene.state.setting(principal, setting.name);
    let value = own.or_else(|| scene.state.setting(None, setting.name));
    value.unwrap_or(setting.otherwise).to_owned()
}

/// What clusters of the caller begin with.
pub(super) fn container_insights(scene: &Scene<'_>) -> Result<Option<String>, Exception> {
    let setting = known(Some(CONTAINER_INSIGHTS))?;
    let value = effective(scene, Some(&scene.caller.arn), setting);
    Ok(Some(value).filter(|value| value != setting.otherwise))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    settings: Vec<SettingJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListAccountSettings: those that were set, or with `effectiveSettings` all, with the values that hold.
pub(super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let asked: Asked = input.read()?;
    asked.paging.check_at_most(PAGE)?;
    if asked.value.is_some() && asked.name.is_none() {
        return Err(Exception::invalid_parameter(
            "A value can be asked for only with the name of its setting.",
        ));
    }
    if let Some(name) = asked.name.as_deref() {
        known(Some(name))?;
    }
    let principal = principal(scene, asked.principal_arn.as_deref())?;
    let principal = principal.as_deref();
    let value = |setting: &Setting| match asked.effective_settings {
        true => Some(effective(scene, principal, setting)),
        false => scene
            .state
            .setting(principal, setting.name)
            .map(str::to_owned),
    };
    let wanted = SETTINGS.iter().filter_map(|setting| {
        let value = value(setting)?;
        let is_named = asked
            .name
            .as_deref()
            .is_none_or(|name| name == setting.name);
        let has_value = asked.value.as_deref().is_none_or(|one| one == value);
        (is_named && has_value).then(|| shown(scene, setting.name, value, principal))
    });
    let page = asked
        .paging
        .page(Order::Ascending, wanted, |one| one.name.to_owned())?;
    Ok(render::body(&Listed {
        settings: page.items,
        next_token: page.next_token,
    }))
}
