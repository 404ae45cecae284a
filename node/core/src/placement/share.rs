//! How tasks are shared out among capacity providers: who gets how many, and where each one's go.

use super::{Order, Pool, Problem, Refused, place};
use crate::apply;
use crate::command::NewTask;
use crate::documents::StrategyItem;
use crate::ids::ProviderName;
use crate::mint::Mint;

/// How many of `count` new tasks each provider of the strategy gets that has `have` of them: first what its base says, then each
/// task to the one that would have the least for its weight with it; of equals, the first in the list.
///
/// So each has at least its part, rounded down, and every sum of the weights is shared out exactly.
#[must_use]
pub fn share(strategy: &[StrategyItem], have: &[usize], count: usize) -> Vec<usize> {
    let mut gets = vec![0; strategy.len()];
    for _ in 0..count {
        let has = |place: usize| (have.get(place).copied().unwrap_or(0) + gets[place]) as u64;
        let places = 0..strategy.len();
        let based = places
            .clone()
            .find(|place| has(*place) < strategy[*place].base);
        let beyond = |place: &usize| has(*place).saturating_sub(strategy[*place].base) + 1;
        let weighed = places.filter(|place| strategy[*place].weight > 0);
        // a / b < c / d, without dividing.
        let least = || {
            weighed.min_by(|a, b| {
                let (x, y) = (u128::from(beyond(a)), u128::from(beyond(b)));
                let (w, v) = (strategy[*a].weight, strategy[*b].weight);
                (x * u128::from(v)).cmp(&(y * u128::from(w)))
            })
        };
        let Some(next) = based.or_else(least) else {
            break;
        };
        gets[next] += 1;
    }
    gets
}

/// Tasks to be shared out.
#[derive(Clone, Copy, Debug)]
pub struct Tender<'a> {
    /// What they need, without a provider.
    pub problem: Problem<'a>,
    /// What they are, without a provider.
    pub order: Order<'a>,
    /// Among whom.
    pub strategy: &'a [StrategyItem],
    /// How many each has already.
    pub have: &'a [usize],
    /// How many tasks are placed now, at most. What is full does not count, so that it holds up nobody.
    pub most: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    /// Tasks that found room.
    pub tasks: Vec<NewTask>,
    /// How many did not, with which provider.
    pub short: Vec<(ProviderName, usize)>,
    /// Why instances took no more, provider by provider.
    pub refused: Vec<Refused>,
}

impl Tender<'_> {
    /// Places each provider's part on its instances, each part seeing those before it.
    #[must_use]
    pub fn place(&self, mint: &mut Mint) -> Shared {
        let mut view = self.problem.state.clone();
        let mut shared = Shared::default();
        let counts = share(self.strategy, self.have, self.problem.count);
        let parts = self.strategy.iter().zip(counts);
        for (item, count) in parts {
            let count = count.min(self.most - shared.tasks.len());
            if count == 0 {
                continue;
            }
            let provider = &item.provider;
            let Some(pool) = Pool::of(&view, provider) else {
                shared.short.push((provider.clone(), count));
                continue;
            };
            let rules = self.problem.rules.within(pool);
            let plan = place(&Problem {
                state: &view,
                rules: &rules,
                count,
                ..self.problem
            });
            let order = self.order.with(provider);
            let placed = plan.placed.iter();
            let tasks: Vec<NewTask> = placed.map(|one| order.task(one, mint)).collect();
            if tasks.len() < count {
                shared.short.push((provider.clone(), count - tasks.len()));
            }
            apply::foresee(&mut view, &tasks);
            shared.tasks.extend(tasks);
            shared.refused.extend(plan.refused);
        }
        shared
    }
}
