//! PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting, ListAccountSettings.

use super::*;

const INSIGHTS: &str = "containerInsights";

fn setting(value: &str, whose: &str) -> Value {
    let arn = format!("arn:aws:iam::000000000000:{whose}");
    json!({"setting": {"name": INSIGHTS, "value": value, "principalArn": arn, "type": "user"}})
}

fn insights_of_a_new_cluster(desk: &mut Desk, name: &str) -> Value {
    let made = desk.ok("CreateCluster", json!({"clusterName": name}));
    made["cluster"]["settings"][0]["value"].clone()
}

#[test]
fn a_principal_has_its_own_or_the_accounts_or_the_usual() {
    let mut desk = Desk::new();
    assert_eq!(insights_of_a_new_cluster(&mut desk, "a"), "disabled");
    let default = json!({"name": INSIGHTS, "value": "enabled"});
    let answer = desk.ok("PutAccountSettingDefault", default);
    assert_eq!(answer, setting("enabled", "root"));
    assert_eq!(insights_of_a_new_cluster(&mut desk, "b"), "enabled");
    let own = json!({"name": INSIGHTS, "value": "enhanced"});
    let answer = desk.ok("PutAccountSetting", own);
    assert_eq!(answer, setting("enhanced", "user/dev"));
    assert_eq!(insights_of_a_new_cluster(&mut desk, "c"), "enhanced");
    let off = json!([{"name": INSIGHTS, "value": "disabled"}]);
    let said = json!({"clusterName": "d", "settings": off});
    let said = desk.ok("CreateCluster", said);
    assert_eq!(said["cluster"]["settings"], off);
    let root = "arn:aws:iam::000000000000:root";
    let set = desk.ok("ListAccountSettings", json!({"principalArn": root}));
    assert_eq!(
        set["settings"],
        json!([setting("enabled", "root")["setting"]])
    );
    let answer = desk.ok("DeleteAccountSetting", json!({"name": INSIGHTS}));
    assert_eq!(answer, setting("enhanced", "user/dev"));
    let none = desk.ok("ListAccountSettings", json!({}));
    assert_eq!(none, json!({"settings": []}));
    assert_eq!(insights_of_a_new_cluster(&mut desk, "e"), "enabled");
}

#[test]
fn all_are_listed_with_the_values_that_hold() {
    let mut desk = Desk::new();
    let first = desk.ok(
        "ListAccountSettings",
        json!({"effectiveSettings": true, "maxResults": 10}),
    );
    let second = json!({"effectiveSettings": true, "nextToken": first["nextToken"]});
    let second = desk.ok("ListAccountSettings", second);
    let both = [&first, &second].map(|page| page["settings"].as_array().unwrap().len());
    assert_eq!(both, [10, 1]);
    assert_eq!(second.get("nextToken"), None);
    let arns = json!({"effectiveSettings": true, "name": "taskLongArnFormat", "value": "enabled"});
    let arns = desk.ok("ListAccountSettings", arns);
    assert_eq!(
        arns["settings"][0]["principalArn"],
        "arn:aws:iam::000000000000:user/dev"
    );
    let none = json!({"effectiveSettings": true, "name": "taskLongArnFormat", "value": "disabled"});
    assert_eq!(desk.ok("ListAccountSettings", none)["settings"], json!([]));
}

#[test]
fn what_cannot_be_is_refused() {
    let mut desk = Desk::new();
    let put = |name: &str, value: &str| json!({"name": name, "value": value});
    desk.ok("PutAccountSetting", put("serviceLongArnFormat", "enabled"));
    for (operation, input, kind) in [
        (
            "PutAccountSetting",
            put("serviceLongArnFormat", "disabled"),
            Refused::UnsupportedFeature,
        ),
        (
            "PutAccountSettingDefault",
            put("awsvpcTrunking", "enabled"),
            Refused::UnsupportedFeature,
        ),
        (
            "PutAccountSetting",
            put(INSIGHTS, "on"),
            Refused::InvalidParameter,
        ),
        (
            "PutAccountSetting",
            put("noSuchThing", "on"),
            Refused::InvalidParameter,
        ),
        (
            "DeleteAccountSetting",
            json!({"name": "noSuchThing"}),
            Refused::InvalidParameter,
        ),
        (
            "ListAccountSettings",
            json!({"value": "enabled"}),
            Refused::InvalidParameter,
        ),
        (
            "ListAccountSettings",
            json!({"maxResults": 11}),
            Refused::InvalidParameter,
        ),
        (
            "ListAccountSettings",
            json!({"principalArn": "arn:aws:iam::111111111111:root"}),
            Refused::InvalidParameter,
        ),
    ] {
        let asked = desk.call(operation, input.clone()).unwrap_err();
        assert_eq!(asked.kind(), kind, "{operation} {input}");
    }
}
