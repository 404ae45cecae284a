//! What an agent says of itself, parsed once: a registration that cannot be right is refused here, with a text for its operator.

use std::collections::{BTreeMap, BTreeSet};

use quorate_core::Realm;
use quorate_core::command::NewInstance;
use quorate_core::documents::{Protocol, Tag, tags};
use quorate_core::ids::{InstanceId, NodeId, SessionId};
use quorate_core::state::{HostPort, InstanceVersion, PortRange, Resources};
use quorate_proto::agent as wire;

/// Attributes of one instance. ECS itself gives some fifty; the row in a snapshot must stay small.
const ATTRIBUTES_MAX: usize = 512;
/// ECS's limit for names and values of attributes; also taken for all other short texts of a registration.
const TEXT_MAX_CHARS: usize = 255;

/// A word of an agent that no right agent says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Invalid(pub(super) String);

/// The registration in `register`, on `node`. It gets `fresh` as its id, unless it has one.
pub(super) fn parse(
    register: wire::Register,
    fresh: InstanceId,
    node: NodeId,
    realm: &Realm,
) -> Result<NewInstance, Invalid> {
    let returning = !register.instance_id.is_empty();
    let version = register.version.unwrap_or_default();
    Ok(NewInstance {
        id: if returning {
            parsed("instance id", &register.instance_id)?
        } else {
            fresh
        },
        returning,
        cluster: realm
            .parse_cluster(&register.cluster)
            .map_err(|error| Invalid(format!("cluster: {error}")))?,
        token: token(register.registration_token)?,
        session: session(&register.session)?,
        node,
        resources: resources(&register.resources)?,
        dynamic_ports: dynamic_ports(register.dynamic_port_first, register.dynamic_port_last)?,
        attributes: attributes(register.attributes)?,
        tags: tags_of(register.tags)?,
        version: InstanceVersion {
            agent_version: short("agent version", version.agent_version)?,
            agent_hash: short("agent hash", version.agent_hash)?,
            docker_version: short("Docker version", version.docker_version)?,
        },
        hostname: short("host name", register.hostname)?,
    })
}

fn parsed<Id: std::str::FromStr<Err: std::fmt::Display>>(
    what: &str,
    text: &str,
) -> Result<Id, Invalid> {
    text.parse()
        .map_err(|error| Invalid(format!("{what}: {error}")))
}

fn session(text: &str) -> Result<SessionId, Invalid> {
    parsed("session", text)
}

fn token(token: String) -> Result<String, Invalid> {
    if token.is_empty() {
        return Err(Invalid("the registration token is missing".into()));
    }
    short("registration token", token)
}

fn short(what: &str, text: String) -> Result<String, Invalid> {
    if text.chars().count() > TEXT_MAX_CHARS {
        return Err(Invalid(format!(
            "{what} has more than {TEXT_MAX_CHARS} characters"
        )));
    }
    Ok(text)
}

/// CPU and MEMORY have to be there, GPU may be; kinds of resources that are not known here are left to newer nodes.
fn resources(stated: &[wire::Resource]) -> Result<Resources, Invalid> {
    let mut ports = BTreeSet::new();
    for (name, protocol) in [("PORTS", Protocol::Tcp), ("PORTS_UDP", Protocol::Udp)] {
        for text in stated
            .iter()
            .filter(|resource| resource.name == name)
            .flat_map(|resource| &resource.string_set)
        {
            let port = parsed(&format!("port {text:?} of {name}"), text)?;
            ports.insert(HostPort { protocol, port });
        }
    }
    Ok(Resources {
        cpu_units: amount(stated, "CPU")?,
        memory_mib: amount(stated, "MEMORY")?,
        gpus: optional(stated, "GPU")?,
        ports,
    })
}

fn amount(stated: &[wire::Resource], name: &str) -> Result<u64, Invalid> {
    let stated = stated.iter().find(|resource| resource.name == name);
    let amount = stated.and_then(|resource| u64::try_from(resource.integer).ok());
    amount.ok_or_else(|| Invalid(format!("resource {name} is missing or negative")))
}

fn optional(stated: &[wire::Resource], name: &str) -> Result<u64, Invalid> {
    if stated.iter().any(|resource| resource.name == name) {
        amount(stated, name)
    } else {
        Ok(0)
    }
}

fn dynamic_ports(first: u32, last: u32) -> Result<PortRange, Invalid> {
    if (first, last) == (0, 0) {
        return Ok(PortRange::default());
    }
    match (u16::try_from(first), u16::try_from(last)) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(PortRange { first, last }),
        _ => Err(Invalid(format!(
            "dynamic ports {first} to {last} are no range of ports"
        ))),
    }
}

fn attributes(stated: Vec<wire::Attribute>) -> Result<BTreeMap<String, String>, Invalid> {
    if stated.len() > ATTRIBUTES_MAX {
        return Err(Invalid(format!(
            "an instance has at most {ATTRIBUTES_MAX} attributes"
        )));
    }
    let pairs = stated.into_iter().map(|attribute| {
        if attribute.name.is_empty() {
            return Err(Invalid("an attribute has no name".into()));
        }
        Ok((
            short("an attribute's name", attribute.name)?,
            short("an attribute's value", attribute.value)?,
        ))
    });
    pairs.collect()
}

fn tags_of(stated: Vec<wire::Tag>) -> Result<Vec<Tag>, Invalid> {
    let tags: Vec<Tag> = stated
        .into_iter()
        .map(|tag| Tag {
            key: tag.key,
            value: tag.value,
        })
        .collect();
    tags::check(&tags).map_err(|error| Invalid(error.to_string()))?;
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register() -> wire::Register {
        let amount = |name: &str, integer| wire::Resource {
            name: name.into(),
            integer,
            string_set: Vec::new(),
        };
        let ports = |name: &str, port: &str| wire::Resource {
            name: name.into(),
            integer: 0,
            string_set: vec![port.into()],
        };
        wire::Register {
            registration_token: "once".into(),
            session: "00000000000000000000000000000005".into(),
            resources: vec![
                amount("CPU", 2048),
                amount("MEMORY", 512),
                amount("GPU", 1),
                ports("PORTS", "22"),
                ports("PORTS_UDP", "53"),
            ],
            attributes: vec![wire::Attribute {
                name: "rack".into(),
                value: "a".into(),
            }],
            ..wire::Register::default()
        }
    }

    fn parse(register: wire::Register) -> Result<NewInstance, Invalid> {
        let realm = Realm {
            region: "us-east-1".into(),
            account: "000000000000".into(),
        };
        super::parse(register, InstanceId::from_u128(9), NodeId(3), &realm)
    }

    #[test]
    fn a_first_registration_gets_the_fresh_id_and_the_defaults() {
        let new = parse(register()).unwrap();
        assert_eq!((new.id.as_u128(), new.returning), (9, false));
        assert_eq!((new.cluster.as_str(), new.node), ("default", NodeId(3)));
        assert_eq!(new.dynamic_ports, PortRange::default());
        let port = |protocol, port| HostPort { protocol, port };
        let taken = [port(Protocol::Tcp, 22), port(Protocol::Udp, 53)];
        assert_eq!(new.resources.ports, BTreeSet::from(taken));
        assert_eq!(
            (new.resources.cpu_units, new.resources.memory_mib),
            (2048, 512)
        );
        assert_eq!(new.attributes.get("rack").map(String::as_str), Some("a"));
    }

    #[test]
    fn a_returning_agent_keeps_its_id() {
        let new = parse(wire::Register {
            instance_id: "mi-00000000000000007".into(),
            ..register()
        });
        let new = new.unwrap();
        assert_eq!((new.id.as_u128(), new.returning), (7, true));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let wrong = |change: fn(&mut wire::Register)| {
            let mut register = register();
            change(&mut register);
            parse(register).unwrap_err().0
        };
        assert!(wrong(|r| r.instance_id = "i-1".into()).starts_with("instance id"));
        assert!(wrong(|r| r.session = "5".into()).starts_with("session"));
        assert!(wrong(|r| r.registration_token.clear()).contains("token"));
        assert!(wrong(|r| r.cluster = "no such name".into()).starts_with("cluster"));
        assert!(wrong(|r| r.resources.clear()).contains("CPU"));
        assert!(wrong(|r| r.resources[1].integer = -1).contains("MEMORY"));
        assert!(wrong(|r| r.resources[3].string_set = vec!["70000".into()]).contains("70000"));
        assert!(wrong(|r| r.dynamic_port_last = 70_000).contains("dynamic"));
        assert!(wrong(|r| r.hostname = "h".repeat(256)).contains("host name"));
        assert!(wrong(|r| r.attributes[0].name.clear()).contains("attribute"));
        assert!(wrong(|r| r.tags = vec![wire::Tag::default()]).contains("tag"));
    }
}
