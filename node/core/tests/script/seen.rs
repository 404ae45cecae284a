//! Which commands, rejections and refusals the scripts have shown.

use std::collections::BTreeSet;

use quorate_core::command::TaskSetRejection;
use quorate_core::placement::Refusal;
use quorate_core::{Command, Outcome, Rejection};

/// The names of all variants, and the name of one: a variant that is missing here does not compile.
macro_rules! variants {
    ($type:ident, $all:ident, $name:ident: $($variant:ident),+ $(,)?) => {
        const $all: &[&str] = &[$(concat!(stringify!($type), "::", stringify!($variant))),+];

        fn $name(value: &$type) -> &'static str {
            match value {
                $($type::$variant { .. } => concat!(stringify!($type), "::", stringify!($variant)),)+
            }
        }
    };
}

variants!(Command, COMMANDS, command: CreateCluster, DeleteCluster, RegisterDefinition, DeregisterDefinition, StartTasks,
    StopTask, RegisterInstance, Disconnect, DeregisterInstance, PutAttributes, DeleteAttributes, SetDraining, LoseInstance,
    Observe, ExpireStops, Forget, RecordNode, CreateService, UpdateService, DeleteService, StopDeployment, ContinueDeployment,
    StepService, UpdateCluster, DeleteDefinitions, PurgeDefinitions, Tag, Untag, PutSetting, ProtectTasks, CreateTaskSet, UpdateTaskSet, DeleteTaskSet, MakePrimary, CreateProvider, UpdateProvider, DeleteProvider,
    PutClusterCapacity, QueueTasks, PlaceTasks);
variants!(Rejection, REJECTIONS, rejection: ClusterNotFound, ClusterInactive, ClusterHasInstances, ClusterHasTasks,
    DefinitionNotFound, DefinitionInactive, TokenConflict, NoLongerFits, TaskNotFound, InstanceNotFound, InstanceInactive,
    InstanceHasTasks, TooManyAttributes, InstanceElsewhere, StaleSession, NodeHasOtherStore, ClusterHasServices,
    ServiceNotFound, ServiceNotActive, ServiceExists, ServiceDraining, ServiceScaled, ServiceMoved, DeploymentNotFound,
    NotPaused, DeploymentEnded, ProviderExists, ProviderNotFound, GroupTaken, ProviderAttached, ProviderNotAttached,
    ProviderInUse, TooManyWaiting, QueueMoved, TaggedNotFound, TooManyTags, TaskSet);
variants!(TaskSetRejection, OF_TASK_SETS, of_task_sets: NotExternal, External, Remain, NotFound, TooMany, Exists, Scaled, Primary,
    Draining);
variants!(Refusal, REFUSALS, refusal: Capacity, NotActive, AgentDisconnected, Overcommitted, Cpu, Memory, Ports, Gpu, Attribute, MemberOf,
    DistinctInstance);

/// What has been shown.
#[derive(Default)]
pub(crate) struct Seen(BTreeSet<&'static str>);

impl Seen {
    /// A command counts where it was carried out.
    pub(crate) fn outcome(&mut self, what: &Command, outcome: &Outcome) {
        self.0.insert(match outcome {
            Ok(_) => command(what),
            Err(why) => rejection(why),
        });
        if let Err(Rejection::TaskSet(why)) = outcome {
            self.0.insert(of_task_sets(why));
        }
    }

    pub(crate) fn refusal(&mut self, why: &Refusal) {
        self.0.insert(refusal(why));
    }

    pub(crate) fn missing(&self) -> Vec<String> {
        let all = [COMMANDS, REJECTIONS, OF_TASK_SETS, REFUSALS].concat();
        all.into_iter()
            .filter(|name| !self.0.contains(name))
            .map(str::to_owned)
            .collect()
    }
}
