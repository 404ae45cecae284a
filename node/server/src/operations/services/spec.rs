//! What a caller says of a service, as the scheduler takes it: checked, with ECS's defaults; and what cannot work yet, refused by name.

use quorate_core::documents::{
    Breaker, Controller, PauseHook, Propagation, Scheduling, ServiceSpec, Stage, Threshold,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::exception::Exception;
use super::super::placement::Wishes;
use super::super::refusals;

/// More tasks than any cluster here holds; ECS's quota is 5,000.
const DESIRED_MAX: i64 = 1_000_000;
/// More than this many percent mean nothing any more.
const PERCENT_MAX: i64 = 10_000;
/// ECS: how long a pause lasts unless the caller says otherwise, and at most.
const TIMEOUT_MINUTES: i64 = 1440;
/// ECS: two weeks.
const TIMEOUT_MINUTES_MAX: i64 = 20_160;

/// Members that belong to a revision; the others hold for the service as a whole.
pub(super) const OF_REVISION: [&str; 12] = [
    "taskDefinition",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
];

/// The members of a service's document that the scheduler acts on.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Wanted {
    scheduling_strategy: Option<String>,
    desired_count: Option<i64>,
    deployment_controller: Option<Kind>,
    deployment_configuration: Configuration,
    health_check_grace_period_seconds: Option<i64>,
    #[serde(flatten)]
    placement: Wishes,
    availability_zone_rebalancing: Option<String>,
    propagate_tags: Option<String>,
    #[serde(rename = "enableECSManagedTags")]
    enable_managed_tags: bool,
    enable_execute_command: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Kind {
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    minimum_healthy_percent: Option<i64>,
    maximum_percent: Option<i64>,
    deployment_circuit_breaker: Option<RawBreaker>,
    strategy: Option<String>,
    alarms: Option<Switch>,
    early_success_criteria: Option<Switch>,
    lifecycle_hooks: Vec<Hook>,
    bake_time_in_minutes: Option<i64>,
    canary_configuration: Map<String, Value>,
    linear_configuration: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Hook {
    target_type: Option<String>,
    hook_target_arn: Option<String>,
    lifecycle_stages: Vec<String>,
    timeout_configuration: Timeout,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Timeout {
    action: Option<String>,
    timeout_in_minutes: Option<i64>,
}

impl Hook {
    fn is_pause(&self) -> bool {
        self.target_type.as_deref() == Some("PAUSE") && self.hook_target_arn.is_none()
    }

    fn stages(&self) -> Option<Vec<Stage>> {
        let named = |text: &String| Stage::ALL.into_iter().find(|one| one.as_str() == text);
        self.lifecycle_stages.iter().map(named).collect()
    }

    fn parsed(&self) -> Result<PauseHook, Exception> {
        let stages = self.stages().unwrap_or_default();
        if stages.is_empty() {
            return Err(Exception::invalid_parameter(
                "A lifecycle hook needs at least one stage.",
            ));
        }
        let timeout = &self.timeout_configuration;
        let minutes = timeout.timeout_in_minutes.unwrap_or(TIMEOUT_MINUTES);
        Ok(PauseHook {
            stages,
            timeout_ms: number("timeoutInMinutes", minutes, TIMEOUT_MINUTES_MAX)? * 60_000,
            rolls_back: timeout.action.as_deref() != Some("CONTINUE"),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Switch {
    enable: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawBreaker {
    enable: bool,
    rollback: bool,
    reset_on_healthy_task: Option<bool>,
    threshold_configuration: Option<RawThreshold>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawThreshold {
    r#type: String,
    value: i64,
}

impl Wanted {
    /// Reads a service's document, which the listener has checked against the model.
    pub(super) fn read(document: &Map<String, Value>) -> Result<Self, Exception> {
        serde_json::from_value(Value::Object(document.clone()))
            .map_err(|error| Exception::invalid_parameter(format!("Invalid input: {error}.")))
    }

    pub(super) fn spec(self) -> Result<ServiceSpec, Exception> {
        self.refuse_unsupported()?;
        let scheduling = match self.scheduling_strategy.as_deref() {
            Some("DAEMON") => Scheduling::Daemon,
            _ => Scheduling::Replica,
        };
        let controller = self.controller(scheduling)?;
        let desired_count = self.desired(scheduling)?;
        let (constraints, strategies) = self.placement.of_service()?;
        if scheduling == Scheduling::Daemon && !strategies.is_empty() {
            return Err(Exception::invalid_parameter(
                "Placement strategies are not supported with the DAEMON scheduling strategy.",
            ));
        }
        let is_daemon = scheduling == Scheduling::Daemon;
        let percent = &self.deployment_configuration;
        let (minimum, maximum) = (percent.minimum_healthy_percent, percent.maximum_percent);
        let grace_s = self.health_check_grace_period_seconds.unwrap_or(0);
        let mut spec = ServiceSpec {
            scheduling,
            controller,
            desired_count,
            minimum_percent: number(
                "minimumHealthyPercent",
                minimum.unwrap_or(if is_daemon { 0 } else { 100 }),
                PERCENT_MAX,
            )?,
            maximum_percent: number(
                "maximumPercent",
                maximum.unwrap_or(if is_daemon { 100 } else { 200 }),
                PERCENT_MAX,
            )?,
            grace_ms: number(
                "healthCheckGracePeriodSeconds",
                grace_s,
                i64::from(i32::MAX),
            )? * 1000,
            breaker: breaker(percent.deployment_circuit_breaker.as_ref())?,
            constraints,
            strategies,
            rebalances: false,
            propagates: match self.propagate_tags.as_deref() {
                Some("SERVICE") => Propagation::Service,
                Some("TASK_DEFINITION") => Propagation::TaskDefinition,
                _ => Propagation::None,
            },
            managed_tags: self.enable_managed_tags,
            enable_execute_command: self.enable_execute_command,
            hooks: percent
                .lifecycle_hooks
                .iter()
                .map(Hook::parsed)
                .collect::<Result<_, _>>()?,
        };
        spec.rebalances = rebalances(&spec, self.availability_zone_rebalancing.as_deref())?;
        Ok(spec)
    }

    /// Who deploys. ECS has no daemons of task sets, and neither breaker nor hooks where nothing is rolled out.
    fn controller(&self, scheduling: Scheduling) -> Result<Controller, Exception> {
        let controller = self.deployment_controller.as_ref();
        if controller.is_none_or(|kind| kind.r#type != "EXTERNAL") {
            return Ok(Controller::Ecs);
        }
        let configuration = &self.deployment_configuration;
        let breaker = configuration.deployment_circuit_breaker.as_ref();
        if scheduling == Scheduling::Daemon {
            return Err(Exception::invalid_parameter(
                "The DAEMON scheduling strategy is not supported with an EXTERNAL deployment controller.",
            ));
        }
        if breaker.is_some_and(|one| one.enable) || !configuration.lifecycle_hooks.is_empty() {
            return Err(Exception::invalid_parameter(
                "DeploymentCircuitBreaker and lifecycle hooks can be configured only with ECS deployment controller.",
            ));
        }
        Ok(Controller::External)
    }

    fn desired(&self, scheduling: Scheduling) -> Result<u64, Exception> {
        match (scheduling, self.desired_count) {
            (Scheduling::Replica, Some(count)) => number("desiredCount", count, DESIRED_MAX),
            (Scheduling::Replica, None) => Err(Exception::invalid_parameter(
                "desiredCount is required for the REPLICA scheduling strategy.",
            )),
            (Scheduling::Daemon, None) => Ok(0),
            (Scheduling::Daemon, Some(_)) => Err(Exception::invalid_parameter(
                "The daemon scheduling strategy does not support a desired count for services. \
                 Remove a desired count value and try again",
            )),
        }
    }

    fn refuse_unsupported(&self) -> Result<(), Exception> {
        let configuration = &self.deployment_configuration;
        let controller = self.deployment_controller.as_ref();
        let hooks = &configuration.lifecycle_hooks;
        let is_on = |switch: &Option<Switch>| switch.as_ref().is_some_and(|one| one.enable);
        let is_rolling = matches!(configuration.strategy.as_deref(), None | Some("ROLLING"));
        let asked = [
            (
                "A deploymentController other than ECS and EXTERNAL",
                controller.is_some_and(|kind| !matches!(kind.r#type.as_str(), "ECS" | "EXTERNAL")),
            ),
            ("A deployment strategy other than ROLLING", !is_rolling),
            (
                "deploymentConfiguration.alarms",
                is_on(&configuration.alarms),
            ),
            (
                "deploymentConfiguration.earlySuccessCriteria",
                is_on(&configuration.early_success_criteria),
            ),
            (
                "A lifecycle hook of a type other than PAUSE",
                !hooks.iter().all(Hook::is_pause),
            ),
            (
                "A lifecycle hook at a stage that needs a load balancer",
                hooks.iter().any(|hook| hook.stages().is_none()),
            ),
            (
                "deploymentConfiguration.bakeTimeInMinutes",
                configuration.bake_time_in_minutes.unwrap_or(0) != 0,
            ),
            (
                "deploymentConfiguration.canaryConfiguration",
                !configuration.canary_configuration.is_empty(),
            ),
            (
                "deploymentConfiguration.linearConfiguration",
                !configuration.linear_configuration.is_empty(),
            ),
        ];
        refuse(&asked)
    }
}

/// What a revision may ask for and cannot have yet. Empty lists and objects, which many clients send, ask for nothing.
pub(super) fn refuse_unsupported_revision(revision: &Map<String, Value>) -> Result<(), Exception> {
    let says = |member: &str| match revision.get(member) {
        None | Some(Value::Null) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => true,
    };
    let text = |member: &str| revision.get(member).and_then(Value::as_str).unwrap_or("");
    let connects = revision
        .get("serviceConnectConfiguration")
        .is_some_and(|given| given["enabled"] == true);
    let asked = [
        (
            "launchType MANAGED_INSTANCES",
            text("launchType") == "MANAGED_INSTANCES",
        ),
        (
            "platformVersion other than LATEST",
            !matches!(text("platformVersion"), "" | "LATEST"),
        ),
        ("networkConfiguration", says("networkConfiguration")),
        ("loadBalancers", says("loadBalancers")),
        ("serviceRegistries", says("serviceRegistries")),
        ("serviceConnectConfiguration", connects),
        ("volumeConfigurations", says("volumeConfigurations")),
        ("vpcLatticeConfigurations", says("vpcLatticeConfigurations")),
        ("gatewayConnectors", says("gatewayConnectors")),
        ("monitoring", says("monitoring")),
    ];
    refuse(&asked)
}

fn refuse(asked: &[(&str, bool)]) -> Result<(), Exception> {
    match asked.iter().find(|(_, is_asked)| *is_asked) {
        Some((what, _)) => Err(refusals::unsupported(what)),
        None => Ok(()),
    }
}

/// ECS: ENABLED unless the caller says otherwise, for services that can rebalance.
fn rebalances(spec: &ServiceSpec, said: Option<&str>) -> Result<bool, Exception> {
    match said {
        Some("ENABLED") if spec.can_rebalance() => Ok(true),
        Some("ENABLED") => Err(Exception::invalid_parameter(
            "Availability Zone rebalancing can only be ENABLED for services with the REPLICA scheduling strategy, the ECS deployment \
             controller, a maximumPercent above 100 and, if they name any placement strategies, spread as the first of them.",
        )),
        Some(_) => Ok(false),
        None => Ok(spec.can_rebalance()),
    }
}

fn breaker(raw: Option<&RawBreaker>) -> Result<Breaker, Exception> {
    let Some(raw) = raw else {
        return Ok(Breaker::default());
    };
    let otherwise = Breaker::default();
    let threshold = match &raw.threshold_configuration {
        None => otherwise.threshold,
        Some(given) => {
            let value = number("thresholdConfiguration.value", given.value, DESIRED_MAX)?;
            if value == 0 {
                return Err(Exception::invalid_parameter(
                    "thresholdConfiguration.value must be at least 1.",
                ));
            }
            match given.r#type.as_str() {
                "COUNT" => Threshold::Count(value),
                "UNBOUNDED_PERCENT" => Threshold::UnboundedPercent(value),
                _ => Threshold::BoundedPercent(value),
            }
        }
    };
    Ok(Breaker {
        enabled: raw.enable,
        rollback: raw.rollback,
        threshold,
        reset_on_healthy_task: raw.reset_on_healthy_task.unwrap_or(true),
    })
}

fn number(what: &str, given: i64, max: i64) -> Result<u64, Exception> {
    let fits = u64::try_from(given).ok().filter(|_| given <= max);
    fits.ok_or_else(|| Exception::invalid_parameter(format!("{what} must be between 0 and {max}.")))
}
