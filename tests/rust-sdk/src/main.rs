//! The main job by the AWS SDK for Rust: cluster, definition, three tasks, waiters, stop; every list by its paginator. Where to call and
//! by which key is in the environment, as for the other clients of `tests/it/conformance`, which runs this.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::client::Waiters;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_ecs::types::{ContainerDefinition, DesiredStatus, TaskStopCode};

/// The time in which tasks become what they should on a machine that is busy with other tests.
const TASK_LIMIT: Duration = Duration::from_secs(90);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let ecs = client()?;
    clusters(&ecs).await?;
    definitions(&ecs).await?;
    let tasks = started(&ecs).await?;
    stopped(&ecs, &tasks).await?;
    println!("main job done");
    Ok(())
}

fn client() -> Result<Client> {
    let set = |name: &'static str| std::env::var(name).context(name);
    let (key, secret) = (set("AWS_ACCESS_KEY_ID")?, set("AWS_SECRET_ACCESS_KEY")?);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(set("AWS_REGION")?))
        .endpoint_url(set("AWS_ENDPOINT_URL_ECS")?)
        .credentials_provider(Credentials::new(key, secret, None, None, "environment"))
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Ok(Client::from_conf(config))
}

async fn clusters(ecs: &Client) -> Result<()> {
    for name in ["other", "third"] {
        let created = ecs.create_cluster().cluster_name(name).send().await?;
        let cluster = created.cluster().context("a cluster")?;
        ensure!(cluster.status() == Some("ACTIVE"), "{cluster:?}");
    }
    let listed: Vec<String> = ecs
        .list_clusters()
        .into_paginator()
        .page_size(1)
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    ensure!(listed.len() == 3, "{listed:?}");
    ecs.delete_cluster().cluster("third").send().await?;
    let refused = ecs.delete_cluster().cluster("default").send().await;
    let error = refused.err().context("the default cluster was deleted")?;
    let error = error.into_service_error();
    ensure!(
        error.is_cluster_contains_container_instances_exception(),
        "{error:?}"
    );
    Ok(())
}

async fn definitions(ecs: &Client) -> Result<()> {
    let container = ContainerDefinition::builder()
        .name("main")
        .image("quorate-test/busybox")
        .set_command(Some(vec!["sleep".to_owned(), "3600".to_owned()]))
        .cpu(16)
        .memory(16)
        .essential(true)
        .stop_timeout(2)
        .build();
    let registered = ecs
        .register_task_definition()
        .family("rust")
        .container_definitions(container.clone())
        .send()
        .await?;
    let definition = registered.task_definition().context("a definition")?;
    ensure!(definition.revision() == 1, "{definition:?}");
    let described = ecs
        .describe_task_definition()
        .task_definition("rust")
        .send()
        .await?;
    let definition = described.task_definition().context("a definition")?;
    let kept = definition
        .container_definitions()
        .first()
        .context("a container")?;
    ensure!(kept.command() == container.command(), "{kept:?}");
    Ok(())
}

async fn started(ecs: &Client) -> Result<Vec<String>> {
    let ran = ecs
        .run_task()
        .task_definition("rust")
        .count(3)
        .send()
        .await?;
    ensure!(ran.failures().is_empty(), "{ran:?}");
    let tasks: Vec<String> = ran
        .tasks()
        .iter()
        .filter_map(|task| task.task_arn().map(str::to_owned))
        .collect();
    ensure!(tasks.len() == 3, "{ran:?}");
    ecs.wait_until_tasks_running()
        .set_tasks(Some(tasks.clone()))
        .wait(TASK_LIMIT)
        .await?;
    let mut listed: Vec<String> = ecs
        .list_tasks()
        .into_paginator()
        .page_size(1)
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await?;
    listed.sort();
    let mut wanted = tasks.clone();
    wanted.sort();
    ensure!(listed == wanted, "{listed:?} instead of {wanted:?}");
    Ok(tasks)
}

async fn stopped(ecs: &Client, tasks: &[String]) -> Result<()> {
    for task in tasks {
        ecs.stop_task().task(task).reason("enough").send().await?;
    }
    ecs.wait_until_tasks_stopped()
        .set_tasks(Some(tasks.to_vec()))
        .wait(TASK_LIMIT)
        .await?;
    let described = ecs
        .describe_tasks()
        .set_tasks(Some(tasks.to_vec()))
        .send()
        .await?;
    for task in described.tasks() {
        ensure!(
            task.stop_code() == Some(&TaskStopCode::UserInitiated),
            "{task:?}"
        );
        ensure!(task.stopped_reason() == Some("enough"), "{task:?}");
        ensure!(task.stopped_at().is_some(), "{task:?}");
    }
    let listed = ecs
        .list_tasks()
        .desired_status(DesiredStatus::Stopped)
        .send()
        .await?;
    ensure!(listed.task_arns().len() == tasks.len(), "{listed:?}");
    Ok(())
}
