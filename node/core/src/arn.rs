//! Amazon Resource Names: printed in the long form only; names, ids and ARNs all accepted where ECS accepts them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{
    ClusterName, ContainerId, DefinitionId, DeploymentId, Family, InstanceId, ProviderName,
    ServiceKey, ServiceName, TaskId, TaskSetKey,
};

/// Where ARNs say that things are. Configuration, the same on every node; never part of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Realm {
    /// A region that looks real (`us-east-1`): clients check its pattern.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

/// A reference that a client gave and that names nothing we could have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Neither a name, an id nor an ARN of the wanted kind.
    #[error("{0:?} is neither a valid name nor an ARN")]
    Malformed(String),
    /// An ARN of another region, account, partition or service.
    #[error("{0:?} belongs to another region or account")]
    Elsewhere(String),
}

/// A task or an instance as a client names it: an id, and the cluster if the ARN says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoped<Id> {
    /// The id.
    pub id: Id,
    /// The cluster, where the reference was a long ARN.
    pub cluster: Option<ClusterName>,
}

/// A task definition as a client names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionReference {
    /// The family alone: its newest ACTIVE revision.
    Newest(Family),
    /// One revision.
    Exact(DefinitionId),
}

impl Realm {
    fn arn(&self, resource: fmt::Arguments<'_>) -> String {
        format!("arn:aws:ecs:{}:{}:{resource}", self.region, self.account)
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:cluster/NAME`
    #[must_use]
    pub fn cluster(&self, name: &ClusterName) -> String {
        self.arn(format_args!("cluster/{name}"))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`
    #[must_use]
    pub fn task(&self, cluster: &ClusterName, id: TaskId) -> String {
        self.arn(format_args!("task/{cluster}/{id}"))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:container-instance/CLUSTER/ID`
    #[must_use]
    pub fn instance(&self, cluster: &ClusterName, id: InstanceId) -> String {
        self.arn(format_args!("container-instance/{cluster}/{id}"))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:task-definition/FAMILY:REVISION`
    #[must_use]
    pub fn definition(&self, id: &DefinitionId) -> String {
        self.arn(format_args!("task-definition/{id}"))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:container/CLUSTER/TASK/UUID`
    #[must_use]
    pub fn container(&self, cluster: &ClusterName, task: TaskId, id: ContainerId) -> String {
        let hex = id.to_string();
        let uuid = format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        );
        self.arn(format_args!("container/{cluster}/{task}/{uuid}"))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/NAME`
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> String {
        self.arn(format_args!("service/{key}"))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:service-deployment/CLUSTER/NAME/N`
    #[must_use]
    pub fn service_deployment(&self, service: &ServiceKey, id: DeploymentId) -> String {
        self.arn(format_args!("service-deployment/{service}/{}", id.0))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:service-revision/CLUSTER/NAME/N`
    #[must_use]
    pub fn service_revision(&self, service: &ServiceKey, id: DeploymentId) -> String {
        self.arn(format_args!("service-revision/{service}/{}", id.0))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:capacity-provider/NAME`
    #[must_use]
    pub fn provider(&self, name: &ProviderName) -> String {
        self.arn(format_args!("capacity-provider/{name}"))
    }

    /// `arn:aws:ecs:REGION:ACCOUNT:task-set/CLUSTER/NAME/ecs-svc/N`
    #[must_use]
    pub fn task_set(&self, key: &TaskSetKey) -> String {
        self.arn(format_args!("task-set/{key}"))
    }

    /// The part behind `arn:aws:ecs:REGION:ACCOUNT:KIND/`, or the whole text where it is no ARN.
    fn resource<'a>(&self, text: &'a str, kind: &str) -> Result<(&'a str, bool), ReferenceError> {
        let Some(rest) = text.strip_prefix("arn:") else {
            return Ok((text, false));
        };
        let mut parts = rest.splitn(5, ':');
        let mut next = || {
            parts
                .next()
                .ok_or_else(|| ReferenceError::Malformed(text.to_owned()))
        };
        let (partition, service, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?);
        let ours = partition == "aws"
            && service == "ecs"
            && region == self.region
            && account == self.account;
        if !ours {
            return Err(ReferenceError::Elsewhere(text.to_owned()));
        }
        let inner = resource
            .strip_prefix(kind)
            .and_then(|r| r.strip_prefix('/'));
        inner
            .map(|r| (r, true))
            .ok_or_else(|| ReferenceError::Malformed(text.to_owned()))
    }

    /// A cluster by name or ARN; an empty text means `default`.
    pub fn parse_cluster(&self, text: &str) -> Result<ClusterName, ReferenceError> {
        if text.is_empty() {
            return Ok(ClusterName::default_cluster());
        }
        let (name, _) = self.resource(text, "cluster")?;
        name.parse()
            .map_err(|_| ReferenceError::Malformed(text.to_owned()))
    }

    /// A task by id or ARN.
    pub fn parse_task(&self, text: &str) -> Result<Scoped<TaskId>, ReferenceError> {
        self.scoped(text, "task")
    }

    /// A container instance by id or ARN.
    pub fn parse_instance(&self, text: &str) -> Result<Scoped<InstanceId>, ReferenceError> {
        self.scoped(text, "container-instance")
    }

    /// A service by name or ARN; the cluster where it was an ARN.
    pub fn parse_service(&self, text: &str) -> Result<Scoped<ServiceName>, ReferenceError> {
        self.scoped(text, "service")
    }

    /// A capacity provider by name or ARN.
    pub fn parse_provider(&self, text: &str) -> Result<ProviderName, ReferenceError> {
        let (name, _) = self.resource(text, "capacity-provider")?;
        name.parse()
            .map_err(|_| ReferenceError::Malformed(text.to_owned()))
    }

    /// A service deployment by ARN.
    pub fn parse_service_deployment(&self, text: &str) -> Result<DeploymentId, ReferenceError> {
        self.numbered(text, "service-deployment")
    }

    /// A service revision by ARN.
    pub fn parse_service_revision(&self, text: &str) -> Result<DeploymentId, ReferenceError> {
        self.numbered(text, "service-revision")
    }

    /// A task set of `service` by id or ARN; the ARN may be of another service's.
    pub fn parse_task_set(
        &self,
        text: &str,
        service: &ServiceKey,
    ) -> Result<TaskSetKey, ReferenceError> {
        let wrong = || ReferenceError::Malformed(text.to_owned());
        let (rest, is_arn) = self.resource(text, "task-set")?;
        let (service, id) = if is_arn {
            let mut parts = rest.splitn(3, '/');
            let mut next = || parts.next().ok_or_else(wrong);
            let (cluster, name, id) = (next()?, next()?, next()?);
            let service = ServiceKey {
                cluster: cluster.parse().map_err(|_| wrong())?,
                name: name.parse().map_err(|_| wrong())?,
            };
            (service, id)
        } else {
            (service.clone(), rest)
        };
        let id = id.parse().map_err(|_| wrong())?;
        Ok(TaskSetKey { service, id })
    }

    /// The number at the end of `KIND/CLUSTER/NAME/N`.
    fn numbered(&self, text: &str, kind: &str) -> Result<DeploymentId, ReferenceError> {
        let wrong = || ReferenceError::Malformed(text.to_owned());
        let (rest, is_arn) = self.resource(text, kind)?;
        let parts: Vec<&str> = rest.split('/').collect();
        match parts[..] {
            [_, _, number] if is_arn => number.parse().map(DeploymentId).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    fn scoped<Id: std::str::FromStr>(
        &self,
        text: &str,
        kind: &str,
    ) -> Result<Scoped<Id>, ReferenceError> {
        let wrong = || ReferenceError::Malformed(text.to_owned());
        let (rest, _) = self.resource(text, kind)?;
        let (cluster, id) = match rest.split_once('/') {
            Some((cluster, id)) => (Some(cluster.parse().map_err(|_| wrong())?), id),
            None => (None, rest),
        };
        Ok(Scoped {
            id: id.parse().map_err(|_| wrong())?,
            cluster,
        })
    }

    /// A task definition by `family`, `family:revision` or ARN.
    pub fn parse_definition(&self, text: &str) -> Result<DefinitionReference, ReferenceError> {
        let wrong = || ReferenceError::Malformed(text.to_owned());
        let (rest, is_arn) = self.resource(text, "task-definition")?;
        if rest.contains(':') {
            return rest
                .parse()
                .map(DefinitionReference::Exact)
                .map_err(|_| wrong());
        }
        if is_arn {
            return Err(wrong());
        }
        rest.parse()
            .map(DefinitionReference::Newest)
            .map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn realm() -> Realm {
        Realm {
            region: "us-east-1".into(),
            account: "000000000000".into(),
        }
    }

    #[test]
    fn every_arn_parses_back() {
        let (realm, cluster) = (realm(), "prod".parse::<ClusterName>().unwrap());
        let task = TaskId::from_u128(7);
        let scoped = realm.parse_task(&realm.task(&cluster, task)).unwrap();
        assert_eq!(
            scoped,
            Scoped {
                id: task,
                cluster: Some(cluster.clone())
            }
        );
        assert_eq!(
            realm.parse_task(&task.to_string()).unwrap(),
            Scoped {
                id: task,
                cluster: None
            }
        );
        let instance = InstanceId::from_u128(9);
        assert_eq!(
            realm
                .parse_instance(&realm.instance(&cluster, instance))
                .unwrap()
                .id,
            instance
        );
        assert_eq!(
            realm.parse_cluster(&realm.cluster(&cluster)).unwrap(),
            cluster
        );
        assert_eq!(realm.parse_cluster("").unwrap().as_str(), "default");
        let service = ServiceKey {
            cluster: cluster.clone(),
            name: "web".parse().unwrap(),
        };
        let named = realm.parse_service(&realm.service(&service)).unwrap();
        assert_eq!(
            (named.id, named.cluster),
            (service.name.clone(), Some(cluster))
        );
        let provider = ProviderName::fargate();
        let named = realm.parse_provider(&realm.provider(&provider));
        assert_eq!(named, Ok(provider));
        let id = DeploymentId(7);
        let arn = realm.service_deployment(&service, id);
        assert_eq!(realm.parse_service_deployment(&arn), Ok(id));
        let arn = realm.service_revision(&service, id);
        assert_eq!(realm.parse_service_revision(&arn), Ok(id));
        let set = TaskSetKey { service, id };
        assert_eq!(
            realm.task_set(&set),
            "arn:aws:ecs:us-east-1:000000000000:task-set/prod/web/ecs-svc/7"
        );
        for text in [realm.task_set(&set), "ecs-svc/7".into()] {
            assert_eq!(realm.parse_task_set(&text, &set.service), Ok(set.clone()));
        }
        assert!(realm.parse_task_set("7", &set.service).is_err());
        let web: DefinitionId = "web:3".parse().unwrap();
        assert_eq!(
            realm.parse_definition(&realm.definition(&web)).unwrap(),
            DefinitionReference::Exact(web)
        );
    }

    #[test]
    fn arns_of_others_are_refused() {
        let other = "arn:aws:ecs:eu-west-1:000000000000:cluster/prod";
        assert_eq!(
            realm().parse_cluster(other),
            Err(ReferenceError::Elsewhere(other.into()))
        );
        assert!(
            realm()
                .parse_cluster("arn:aws:ecs:us-east-1:000000000000:service/x")
                .is_err()
        );
        assert!(realm().parse_task("not-hex").is_err());
    }
}
