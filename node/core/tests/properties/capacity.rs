//! What holds of every capacity provider strategy: how many tasks each provider gets, and where they go.

use proptest::collection::vec;
use proptest::prelude::*;
use quorate_core::documents::{
    DefinitionSpec, Document, Launch, Overrides, StrategyItem, check_strategy,
};
use quorate_core::ids::{ClusterName, ProviderName, TaskId};
use quorate_core::placement::{Order, Rules, Tender, share};
use quorate_core::{Command, Heard, Mint, Policy, Problem, State, duties};

use super::placement::need;
use super::world::capacity::waits;
use super::world::{crowd, entry, judge, next};
use super::{config, later, world};

fn strategy() -> impl Strategy<Value = Vec<StrategyItem>> {
    let item = (0_u64..5, 0_u64..4);
    let parts = (vec(item, 1..5), any::<prop::sample::Index>());
    parts.prop_map(|(items, based)| {
        let based = based.index(items.len());
        let mut strategy: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(place, (base, weight))| StrategyItem {
                provider: format!("p{place}").parse().unwrap(),
                base: if place == based { base } else { 0 },
                weight,
            })
            .collect();
        strategy[0].weight += u64::from(strategy.iter().all(|item| item.weight == 0));
        strategy
    })
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn bases_come_first_and_weights_share_the_rest(strategy in strategy(), count in 0_usize..60) {
        prop_assert_eq!(check_strategy(&strategy), Ok(()));
        let gets = share(&strategy, &[], count);
        prop_assert_eq!(gets.iter().sum::<usize>(), count);
        let base: usize = strategy.iter().map(|item| item.base as usize).sum();
        let weights: usize = strategy.iter().map(|item| item.weight as usize).sum();
        let rest = count.saturating_sub(base);
        for (item, got) in strategy.iter().zip(&gets) {
            let (base, weight) = (item.base as usize, item.weight as usize);
            let part = base.min(count) + rest * weight / weights;
            prop_assert!(*got >= part, "{gets:?} of {strategy:?}");
            prop_assert!(rest % weights != 0 || *got == part, "{gets:?} of {strategy:?}");
            prop_assert!(weight > 0 || *got <= base);
        }
    }

    /// Asked for in two calls or in one, it comes to the same: what is there counts.
    #[test]
    fn what_is_there_counts(strategy in strategy(), first in 0_usize..30, second in 0_usize..30) {
        let have = share(&strategy, &[], first);
        let more = share(&strategy, &have, second);
        let both: Vec<_> = have.iter().zip(more).map(|(a, b)| a + b).collect();
        prop_assert_eq!(both, share(&strategy, &[], first + second));
    }

    #[test]
    fn each_part_goes_to_its_provider_and_apply_takes_all(
        state in crowd::crowd(),
        need in need(),
        base in 0_u64..4,
        weight in 0_u64..3,
        count in 0_usize..10,
    ) {
        let item = |provider: &str, base, weight| StrategyItem { provider: provider.parse().unwrap(), base, weight };
        let strategy = [item("one", base, weight), item("two", 0, 1), item("FARGATE", 0, 1)];
        let definition = state.definition(&"web:1".parse().unwrap()).unwrap();
        let (cluster, rules, document) = (ClusterName::default_cluster(), Rules::default(), Document::default());
        let launch = Launch {
            memory_mib: need.memory_mib,
            cpu_units: need.cpu_units,
            ..Launch::new(&DefinitionSpec::default(), &Overrides::default())
        };
        let need = quorate_core::placement::Need::new(&launch, &need.attributes);
        let problem = Problem { state: &state, cluster: &cluster, need: &need, group: "family:web", rules: &rules, seed: 0, count };
        let order = Order {
            cluster: &cluster,
            definition,
            launch: &launch,
            overrides: &document,
            group: "family:web",
            started_by: "",
            tags: &Vec::new(),
            launch_type: "EXTERNAL",
            provider: None,
            enable_execute_command: false,
        };
        let tender = Tender { problem, order, strategy: &strategy, have: &[], most: count };
        let shared = tender.place(&mut Mint::new([7; 32]));
        for (item, gets) in strategy.iter().zip(share(&strategy, &[], count)) {
            let mine = shared.tasks.iter().filter(|task| task.provider.as_ref() == Some(&item.provider));
            let mine: Vec<_> = mine.collect();
            let short = shared.short.iter().find(|(name, _)| *name == item.provider);
            prop_assert_eq!(mine.len() + short.map_or(0, |(_, count)| *count), gets);
            for task in mine {
                let instance = state.instance(&task.instance).unwrap();
                prop_assert!(judge::is_of(item.provider.as_str(), instance));
            }
        }
        let mut after = state.clone();
        let start = Command::StartTasks { token: None, tasks: shared.tasks, asked: None };
        let applied = next(&mut after, &entry(later(&state), 0, start));
        prop_assert!(applied.outcomes[0].is_ok(), "{:?}", applied.outcomes);
        prop_assert_eq!(after.check(), []);
    }
}

/// More than one step takes: placed in order all the same, each once.
#[test]
fn a_long_queue_is_placed_step_by_step() {
    let mut state = State::default();
    next(&mut state, &world::beginning());
    let fargate = ProviderName::fargate();
    let ids: Vec<TaskId> = (1000..1120).rev().map(TaskId::from_u128).collect();
    let waiting = ids.iter().map(|id| waits(*id, fargate.clone(), 0));
    let queue = Command::QueueTasks {
        token: None,
        tasks: Vec::new(),
        waiting: waiting.collect(),
        asked: None,
    };
    let now = later(&state);
    assert!(next(&mut state, &entry(now, 0, queue)).outcomes[0].is_ok());
    let (mut mint, mut placed) = (Mint::new([7; 32]), Vec::new());
    for number in 1..10 {
        let owed = duties(
            &state,
            &Heard::default(),
            &Policy::default(),
            now,
            &mut mint,
        );
        for command in owed {
            if let Command::PlaceTasks(step) = &command {
                assert!(step.tasks.len() <= 50, "{}", step.tasks.len());
                placed.extend(step.tasks.iter().map(|task| task.id));
            }
            assert!(next(&mut state, &entry(now, number, command)).outcomes[0].is_ok());
        }
    }
    assert_eq!(placed, ids);
    assert_eq!(state.queues().count(), 0);
}
