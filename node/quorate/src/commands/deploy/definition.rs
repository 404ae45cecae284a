//! The definition that is to be deployed: what is registered now with other images, or what a file says.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::failure::{Exit, Failure};
use crate::render::text;

/// Members of a described definition that RegisterTaskDefinition does not take.
const DESCRIBED_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// `[CONTAINER=]IMAGE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewImage {
    container: Option<String>,
    image: String,
}

impl FromStr for NewImage {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        // A reference to an image holds no `=`.
        let (container, image) = match word.split_once('=') {
            Some((container, image)) => (Some(container.to_owned()), image),
            None => (None, word),
        };
        if image.is_empty() || container.as_deref() == Some("") {
            return Err("it is not of the form IMAGE or CONTAINER=IMAGE");
        }
        Ok(Self {
            container,
            image: image.to_owned(),
        })
    }
}

/// What RegisterTaskDefinition takes of a definition, or of an answer of DescribeTaskDefinition, where tags stand beside it.
pub(super) fn registrable(mut given: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Object(mut inside)) = given.remove("taskDefinition") {
        let tags = given.remove("tags").filter(|tags| *tags != json!([]));
        inside.extend(tags.map(|tags| ("tags".to_owned(), tags)));
        given = inside;
    }
    for member in DESCRIBED_ONLY {
        given.remove(member);
    }
    given
}

/// Puts the images in place.
pub(super) fn replace(
    definition: &mut Map<String, Value>,
    images: &[NewImage],
) -> Result<(), Failure> {
    let containers = definition.get_mut("containerDefinitions");
    let containers = containers.and_then(Value::as_array_mut);
    let containers = containers.map_or(&mut [][..], Vec::as_mut_slice);
    for new in images {
        let place = place(containers, new)?;
        containers[place]["image"] = json!(new.image);
    }
    Ok(())
}

/// The container that an image is for: the one that is named, else the only one.
fn place(containers: &[Value], new: &NewImage) -> Result<usize, Failure> {
    let found = match &new.container {
        Some(name) => containers.iter().position(|one| one["name"] == **name),
        None => (containers.len() == 1).then_some(0),
    };
    found.ok_or_else(|| {
        let what = match &new.container {
            Some(name) => format!("the definition has no container {name}"),
            None => format!("the definition has {} containers", containers.len()),
        };
        let names: Vec<String> = containers.iter().map(|one| text(one, "/name")).collect();
        Failure::new(Exit::Usage, what).next(format!(
            "say which with --image CONTAINER={}: {}",
            new.image,
            names.join(", ")
        ))
    })
}

/// Whether the health of its tasks is what checks say, and not for how long they run.
pub(super) fn has_health_check(definition: &Map<String, Value>) -> bool {
    let containers = definition.get("containerDefinitions");
    let mut containers = containers.and_then(Value::as_array).into_iter().flatten();
    containers.any(|one| one["essential"] != json!(false) && one["healthCheck"].is_object())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn described() -> Map<String, Value> {
        let answer = json!({
            "taskDefinition": {
                "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:3", "family": "web", "revision": 3,
                "status": "ACTIVE", "registeredAt": 1.5, "registeredBy": "me", "requiresAttributes": [], "compatibilities": ["EC2"],
                "networkMode": "bridge", "memory": "128", "volumes": [],
                "containerDefinitions": [{"name": "app", "image": "web:1", "environment": [{"name": "A", "value": "B"}]}],
            },
            "tags": [{"key": "team", "value": "blue"}],
        });
        let Value::Object(answer) = answer else {
            panic!()
        };
        answer
    }

    #[test]
    fn all_stays_but_the_image() {
        let mut definition = registrable(described());
        replace(&mut definition, &["web:2".parse().unwrap()]).unwrap();
        let expected = json!({
            "family": "web", "networkMode": "bridge", "memory": "128", "volumes": [], "tags": [{"key": "team", "value": "blue"}],
            "containerDefinitions": [{"name": "app", "image": "web:2", "environment": [{"name": "A", "value": "B"}]}],
        });
        assert_eq!(Value::Object(definition), expected);
    }

    #[test]
    fn what_a_file_says_may_be_a_request_as_well() {
        let request = registrable(described());
        assert_eq!(registrable(request.clone()), request);
    }

    #[test]
    fn among_several_containers_the_image_says_which() {
        let mut definition = registrable(described());
        let second = json!({"name": "log", "image": "log:1", "essential": false, "healthCheck": {"command": ["CMD", "true"]}});
        definition["containerDefinitions"]
            .as_array_mut()
            .unwrap()
            .push(second);
        let failure = replace(&mut definition, &["web:2".parse().unwrap()]).unwrap_err();
        let expected = "the definition has 2 containers\n  next: say which with --image CONTAINER=web:2: app, log";
        assert_eq!((failure.code, failure.to_string().as_str()), (2, expected));
        let images = ["log=log@sha256:12", "app=web:2"].map(|word| word.parse().unwrap());
        replace(&mut definition, &images).unwrap();
        let images = [0, 1].map(|place| &definition["containerDefinitions"][place]["image"]);
        assert_eq!(images, ["web:2", "log@sha256:12"]);
        assert!(replace(&mut definition, &["db=x".parse().unwrap()]).is_err());
        assert!(!has_health_check(&definition));
    }

    #[test]
    fn an_image_without_a_name_or_a_name_without_an_image_is_none() {
        assert!("=web:2".parse::<NewImage>().is_err());
        assert!("app=".parse::<NewImage>().is_err());
        assert!("".parse::<NewImage>().is_err());
    }
}
