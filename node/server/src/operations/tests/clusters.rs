//! CreateCluster, DescribeClusters, ListClusters, DeleteCluster.

use super::*;

#[test]
fn no_name_means_default_and_repeating_changes_nothing() {
    let mut desk = Desk::new();
    let input = json!({"tags": [{"key": "team", "value": "a"}], "settings": [{"name": "containerInsights", "value": "enabled"}]});
    let again = desk.ok("CreateCluster", input);
    assert_eq!(again["cluster"]["clusterName"], "default");
    assert_eq!(again["cluster"]["tags"], json!([]));
    assert_eq!(
        again["cluster"]["settings"],
        json!([{"name": "containerInsights", "value": "disabled"}])
    );
}

#[test]
fn what_was_given_is_shown_where_it_is_asked_for() {
    let mut desk = Desk::new();
    let configuration = json!({"executeCommandConfiguration": {"logging": "DEFAULT"}});
    let made = desk.ok(
        "CreateCluster",
        json!({"clusterName": "prod", "configuration": configuration, "tags": [{"key": "team", "value": "a"}],
            "settings": [{"name": "containerInsights", "value": "enabled"}], "capacityProviders": []}),
    );
    assert_eq!(
        made["cluster"]["clusterArn"],
        "arn:aws:ecs:us-east-1:000000000000:cluster/prod"
    );
    assert_eq!(made["cluster"]["configuration"], configuration);
    let bare = desk.ok("DescribeClusters", json!({"clusters": ["prod"]}));
    assert_eq!(
        (
            &bare["clusters"][0]["tags"],
            &bare["clusters"][0]["settings"]
        ),
        (&json!([]), &json!([]))
    );
    assert_eq!(bare["clusters"][0].get("configuration"), None);
    let include = [
        "ATTACHMENTS",
        "CONFIGURATIONS",
        "SETTINGS",
        "STATISTICS",
        "TAGS",
    ];
    let whole = desk.ok(
        "DescribeClusters",
        json!({"clusters": ["prod"], "include": include}),
    );
    assert_eq!(
        whole["clusters"][0]["tags"],
        json!([{"key": "team", "value": "a"}])
    );
    assert_eq!(whole["clusters"][0]["settings"][0]["value"], "enabled");
    assert_eq!(
        whole["clusters"][0]["statistics"].as_array().unwrap().len(),
        12
    );
}

#[test]
fn describing_none_means_default_and_unknown_ones_are_failures() {
    let mut desk = Desk::new();
    let found = desk.ok("DescribeClusters", json!({}));
    assert_eq!(found["clusters"][0]["clusterName"], "default");
    let elsewhere = "arn:aws:ecs:eu-west-1:1:cluster/x";
    let found = desk.ok("DescribeClusters", json!({"clusters": ["nope", elsewhere]}));
    assert_eq!(
        found["failures"],
        json!([
            {"arn": "arn:aws:ecs:us-east-1:000000000000:cluster/nope", "reason": "MISSING"},
            {"arn": elsewhere, "reason": "MISSING"},
        ])
    );
    let many: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    assert_eq!(
        desk.refused("DescribeClusters", json!({ "clusters": many }))
            .0,
        Refused::InvalidParameter
    );
}

#[test]
fn clusters_are_counted() {
    let mut desk = Desk::with_room();
    let ran = desk.ok("RunTask", json!({"taskDefinition": "web", "count": 2}));
    desk.observe(Desk::id(&ran["tasks"][0]), TaskStatus::Running, None);
    let found = desk.ok("DescribeClusters", json!({"include": ["STATISTICS"]}));
    let cluster = &found["clusters"][0];
    let counts = [
        "registeredContainerInstancesCount",
        "runningTasksCount",
        "pendingTasksCount",
    ]
    .map(|key| &cluster[key]);
    assert_eq!(counts, [1, 1, 1]);
    assert!(
        cluster["statistics"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "runningExternalTasksCount", "value": "1"}))
    );
}

#[test]
fn a_deleted_cluster_is_described_but_neither_listed_nor_used() {
    let mut desk = Desk::new();
    desk.register(&web());
    assert_eq!(
        desk.ok("DeleteCluster", json!({"cluster": "default"}))["cluster"]["status"],
        "INACTIVE"
    );
    assert_eq!(
        desk.ok("DescribeClusters", json!({}))["clusters"][0]["status"],
        "INACTIVE"
    );
    assert_eq!(desk.ok("ListClusters", json!({}))["clusterArns"], json!([]));
    let refusal = desk.refused("RunTask", json!({"taskDefinition": "web"}));
    assert_eq!(
        refusal,
        (
            Refused::ClusterNotFound,
            "The referenced cluster was inactive.".into()
        )
    );
    assert_eq!(
        desk.ok("CreateCluster", json!({}))["cluster"]["status"],
        "ACTIVE"
    );
}

#[test]
fn what_lives_in_a_cluster_keeps_it() {
    let mut desk = Desk::with_room();
    assert_eq!(
        desk.refused("DeleteCluster", json!({"cluster": "default"})),
        (
            Refused::ClusterContainsContainerInstances,
            "The Cluster cannot be deleted while Container Instances are active or draining."
                .into()
        )
    );
    assert_eq!(
        desk.refused("DeleteCluster", json!({"cluster": "nope"})).0,
        Refused::ClusterNotFound
    );
}

#[test]
fn names_and_what_cannot_be_had_are_refused() {
    let mut desk = Desk::new();
    for wrong in [
        json!({"clusterName": "with space"}),
        json!({"capacityProviders": ["gone"]}),
        json!({"tags": [{"key": "aws:mine", "value": ""}]}),
        json!({"tags": [{"key": "a"}, {"key": "a"}]}),
    ] {
        assert_eq!(
            desk.refused("CreateCluster", wrong).0,
            Refused::InvalidParameter
        );
    }
    let namespace = json!({"serviceConnectDefaults": {"namespace": "x"}});
    assert_eq!(
        desk.refused("CreateCluster", namespace).0,
        Refused::NamespaceNotFound
    );
}

#[test]
fn clusters_are_listed_in_pages() {
    let mut desk = Desk::new();
    for name in ["a", "b"] {
        desk.ok("CreateCluster", json!({"clusterName": name}));
    }
    let first = desk.ok("ListClusters", json!({"maxResults": 2}));
    assert_eq!(first["clusterArns"].as_array().unwrap().len(), 2);
    let second = desk.ok(
        "ListClusters",
        json!({"maxResults": 2, "nextToken": first["nextToken"]}),
    );
    assert_eq!(
        second,
        json!({"clusterArns": ["arn:aws:ecs:us-east-1:000000000000:cluster/default"]})
    );
}

#[test]
fn an_update_changes_what_it_says() {
    let mut desk = Desk::new();
    let insights = |value: &str| json!([{"name": "containerInsights", "value": value}]);
    let logging = json!({"executeCommandConfiguration": {"logging": "NONE"}});
    let update =
        json!({"cluster": "default", "configuration": logging, "settings": insights("enhanced")});
    let updated = desk.ok("UpdateCluster", update)["cluster"].take();
    assert_eq!(
        (&updated["configuration"], &updated["settings"]),
        (&logging, &insights("enhanced"))
    );
    let arn = "arn:aws:ecs:us-east-1:000000000000:cluster/default";
    let settings = json!({"cluster": arn, "settings": insights("enabled")});
    let updated = desk.ok("UpdateClusterSettings", settings)["cluster"].take();
    assert_eq!(
        (&updated["configuration"], &updated["settings"]),
        (&logging, &insights("enabled"))
    );
    let nothing = desk.ok("UpdateCluster", json!({"cluster": "default"}));
    assert_eq!(nothing["cluster"], updated);
}

#[test]
fn an_update_that_means_nothing_is_refused() {
    let mut desk = Desk::new();
    for (operation, wrong, kind) in [
        (
            "UpdateClusterSettings",
            json!({"cluster": "default", "settings": []}),
            Refused::InvalidParameter,
        ),
        (
            "UpdateClusterSettings",
            json!({"cluster": "default", "settings": [{"name": "containerInsights", "value": "on"}]}),
            Refused::InvalidParameter,
        ),
        (
            "UpdateCluster",
            json!({"cluster": "none", "settings": []}),
            Refused::ClusterNotFound,
        ),
        (
            "UpdateCluster",
            json!({"cluster": "default", "serviceConnectDefaults": {"namespace": "x"}}),
            Refused::NamespaceNotFound,
        ),
    ] {
        assert_eq!(desk.refused(operation, wrong).0, kind, "{operation}");
    }
    desk.ok("DeleteCluster", json!({"cluster": "default"}));
    let update = desk.refused("UpdateCluster", json!({"cluster": "default"}));
    let expected = "The referenced cluster was inactive.";
    assert_eq!(update, (Refused::ClusterNotFound, expected.to_owned()));
}
