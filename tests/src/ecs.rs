//! The ECS calls that stories are made of, over the public API, with answers as JSON.

use std::time::Duration;

use quorate_client::{Client, ClientError, TaskStatus, client_token};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The cluster that agents join unless told otherwise.
pub const CLUSTER: &str = "default";

/// The image of the tests. The process runtime takes no notice of it.
pub const IMAGE: &str = "quorate-test/busybox";

/// The time in which tasks become what they should on a machine that is busy with other tests.
pub const TASK_LIMIT: Duration = Duration::from_secs(60);

/// A caller of the API who expects success; what fails, fails the test.
#[derive(Clone)]
pub struct Ecs {
    client: Client,
}

impl Ecs {
    /// A caller by this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client, for calls that may fail.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Calls an operation that must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub async fn call(&self, operation: &str, body: Value) -> Value {
        self.client
            .call(operation, body)
            .await
            .unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// Calls an operation that may be carried out twice, again and again until it succeeds: the node that is asked may
    /// have died with the connection.
    ///
    /// # Panics
    /// If it is refused, or does not succeed in time.
    pub async fn call_safely(&self, operation: &str, body: Value) -> Value {
        let answer = self
            .client
            .call_until(operation, body, Instant::now() + TASK_LIMIT)
            .await;
        answer.unwrap_or_else(|error| panic!("{operation}: {error:?}"))
    }

    /// Calls an operation that must be refused, and gives the exception's name and message.
    ///
    /// # Panics
    /// If it succeeds, or fails without an exception.
    pub async fn refused(&self, operation: &str, body: Value) -> (String, String) {
        match self.client.call(operation, body.clone()).await {
            Err(ClientError::Exception {
                code,
                message,
                status: 400..=499,
                ..
            }) => (code, message),
            other => panic!("{operation} {body}: expected a refusal, got {other:?}"),
        }
    }

    /// Registers a definition of one container that sleeps.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn register_sleeper(&self, family: &str) -> String {
        self.register(family, &["sleep", "3600"]).await
    }

    /// Registers a definition of one small container with this command, and gives `family:revision`.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn register(&self, family: &str, command: &[&str]) -> String {
        let container = json!({
            "name": "main", "image": IMAGE, "command": command, "cpu": 8, "memory": 16, "essential": true, "stopTimeout": 2,
        });
        let answer = self
            .call("RegisterTaskDefinition", json!({"family": family, "networkMode": "bridge", "containerDefinitions": [container]}))
            .await;
        format!("{family}:{}", answer["taskDefinition"]["revision"])
    }

    /// Runs tasks and gives their ARNs.
    ///
    /// # Panics
    /// If not every task could be placed.
    pub async fn run(&self, definition: &str, count: usize) -> Vec<String> {
        let body = json!({"cluster": CLUSTER, "taskDefinition": definition, "count": count, "clientToken": client_token()});
        let answer = self.call_safely("RunTask", body).await;
        assert_eq!(answer["failures"], json!([]), "every task has room");
        let arns = strings(&answer["tasks"], "taskArn");
        assert_eq!(arns.len(), count);
        arns
    }

    /// Waits until these tasks run, and gives their descriptions.
    ///
    /// # Panics
    /// If one stops instead, or the time is over.
    pub async fn running(&self, tasks: &[String]) -> Vec<Value> {
        self.wait(tasks, TaskStatus::Running).await
    }

    /// Waits until these tasks are stopped, and gives their descriptions.
    ///
    /// # Panics
    /// If the time is over.
    pub async fn stopped(&self, tasks: &[String]) -> Vec<Value> {
        self.wait(tasks, TaskStatus::Stopped).await
    }

    /// Asks for tasks to stop and waits until they are stopped.
    ///
    /// # Panics
    /// If a call is refused, or the time is over.
    pub async fn stop(&self, tasks: &[String]) -> Vec<Value> {
        for task in tasks {
            self.call_safely("StopTask", json!({"cluster": CLUSTER, "task": task}))
                .await;
        }
        self.stopped(tasks).await
    }

    /// Every task of the cluster that is to run.
    ///
    /// # Panics
    /// If the list fails.
    pub async fn task_arns(&self) -> Vec<String> {
        self.list("ListTasks", "taskArns").await
    }

    /// Descriptions of these tasks.
    ///
    /// # Panics
    /// If the call fails or one of them is missing.
    pub async fn describe_tasks(&self, tasks: &[String]) -> Vec<Value> {
        self.describe("DescribeTasks", "tasks", tasks).await
    }

    /// The description of a service.
    ///
    /// # Panics
    /// If the call fails or the service is missing.
    pub async fn service(&self, name: &str) -> Value {
        let body = json!({"cluster": CLUSTER, "services": [name]});
        let mut described = self.call_safely("DescribeServices", body).await;
        assert_eq!(described["failures"], json!([]), "DescribeServices");
        described["services"][0].take()
    }

    /// Descriptions of every task of a service that is to run.
    ///
    /// # Panics
    /// If a call fails.
    pub async fn service_tasks(&self, name: &str) -> Vec<Value> {
        let body = json!({"cluster": CLUSTER, "serviceName": name});
        let listed = self.call_safely("ListTasks", body).await;
        let arns = listed["taskArns"].clone();
        if arns == json!([]) {
            return Vec::new();
        }
        let body = json!({"cluster": CLUSTER, "tasks": arns});
        let mut described = self.call_safely("DescribeTasks", body).await;
        match described["tasks"].take() {
            Value::Array(all) => all,
            other => panic!("DescribeTasks: {other}"),
        }
    }

    /// Descriptions of every instance of the cluster.
    ///
    /// # Panics
    /// If a call fails.
    pub async fn instances(&self) -> Vec<Value> {
        let arns = self
            .list("ListContainerInstances", "containerInstanceArns")
            .await;
        self.describe("DescribeContainerInstances", "containerInstances", &arns)
            .await
    }

    async fn list(&self, operation: &str, member: &str) -> Vec<String> {
        let listed = self
            .client
            .paginate(operation, json!({"cluster": CLUSTER}), member)
            .await;
        let listed = listed.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        listed
            .iter()
            .map(|arn| arn.as_str().expect("an ARN is a string").to_owned())
            .collect()
    }

    async fn describe(&self, operation: &str, member: &str, ids: &[String]) -> Vec<Value> {
        let described = self
            .client
            .describe(operation, json!({"cluster": CLUSTER}), member, ids)
            .await;
        let mut described = described.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        assert_eq!(described["failures"], json!([]), "{operation}");
        match described[member].take() {
            Value::Array(all) => all,
            other => panic!("{operation}: {other}"),
        }
    }

    async fn wait(&self, tasks: &[String], status: TaskStatus) -> Vec<Value> {
        let waited = self
            .client
            .wait_tasks(CLUSTER, tasks, status, TASK_LIMIT)
            .await;
        waited.unwrap_or_else(|error| panic!("{error:?}"))
    }
}

/// The strings that the objects of an array have under `key`.
///
/// # Panics
/// If there is no array, or an object has no such string.
#[must_use]
pub fn strings(array: &Value, key: &str) -> Vec<String> {
    let array = array
        .as_array()
        .unwrap_or_else(|| panic!("expected an array, got {array}"));
    array
        .iter()
        .map(|each| {
            each[key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key} in {each}"))
                .to_owned()
        })
        .collect()
}
