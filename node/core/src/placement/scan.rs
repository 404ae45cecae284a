//! The way of placing that works for all rules: looks at every instance once, then at the best of each class for each task.
//!
//! A class are the instances with the same values of all attributes that are spread over. What a task changes of the scores of
//! others, it changes for whole classes; inside a class only the instance that took it moves.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::feasible;
use super::groups::Mates;
use super::problem::{Candidate, Placement, Problem};
use super::rules::{Over, Strategy};
use super::score::{self, Score, strategies};
use crate::state::HostPort;

/// Places as many tasks as fit, up to the problem's count.
pub(super) fn place(problem: &Problem<'_>) -> Vec<Placement> {
    let mut floor = Floor::new(problem);
    let mut placed = Vec::new();
    while placed.len() < problem.count {
        let Some(best) = floor.best() else { break };
        placed.push(floor.take(best));
    }
    placed
}

struct Floor<'a> {
    problem: &'a Problem<'a>,
    candidates: Vec<Candidate<'a>>,
    classes: Vec<Class>,
    /// Classes by what their first was worth when it was looked at. It may be worth less now, and never more: what others take makes
    /// it worse, and the class that takes is ranked anew.
    ranks: BinaryHeap<Reverse<(Score, usize)>>,
    spreads: Spreads<'a>,
}

/// Instances that share the values of attributes, the best first.
struct Class {
    /// Which value of each attribute.
    values: Vec<usize>,
    /// Scores without what is common to the class, and whose they are.
    waiting: BinaryHeap<Reverse<(Score, usize)>>,
    /// The ports that the first would get, once that is known.
    ports_of_first: Option<Vec<HostPort>>,
}

impl<'a> Floor<'a> {
    fn new(problem: &'a Problem<'a>) -> Self {
        let mates = Mates::of(problem);
        let mut spreads = Spreads::new(problem);
        let mut by_values: BTreeMap<Vec<usize>, Vec<Reverse<(Score, usize)>>> = BTreeMap::new();
        let mut candidates = Vec::new();
        for instance in problem.live() {
            let candidate = Candidate::new(instance, mates.on(instance.id));
            let values = spreads.count(&candidate);
            if feasible::has_room(problem, &candidate) {
                let score = score::of(problem, &candidate, |_| 0);
                let class = by_values.entry(values).or_default();
                class.push(Reverse((score, candidates.len())));
                candidates.push(candidate);
            }
        }
        let classes = by_values.into_iter().map(|(values, scores)| Class {
            values,
            waiting: scores.into(),
            ports_of_first: None,
        });
        let mut floor = Self {
            classes: classes.collect(),
            ranks: BinaryHeap::new(),
            problem,
            candidates,
            spreads,
        };
        (0..floor.classes.len()).for_each(|class| floor.rank(class));
        floor
    }

    /// The class whose first is the best of all; it is out of the ranks then.
    fn best(&mut self) -> Option<usize> {
        loop {
            let Reverse((was_worth, class)) = self.ranks.pop()?;
            self.classes[class].settle(self.problem, &self.candidates);
            if self.worth(class) == Some(was_worth) {
                return Some(class);
            }
            self.rank(class);
        }
    }

    fn worth(&self, class: usize) -> Option<Score> {
        let class = &self.classes[class];
        let Reverse((mut score, _)) = *class.waiting.peek()?;
        self.spreads.complete(&mut score, &class.values);
        Some(score)
    }

    fn rank(&mut self, class: usize) {
        let worth = self.worth(class);
        self.ranks
            .extend(worth.map(|worth| Reverse((worth, class))));
    }

    fn take(&mut self, place: usize) -> Placement {
        let class = &mut self.classes[place];
        let Reverse((_, first)) = class.waiting.pop().expect("best() saw one");
        let ports = class.ports_of_first.take().expect("settled by best()");
        let candidate = &mut self.candidates[first];
        let placed = candidate.take(self.problem.need, ports);
        if feasible::has_room(self.problem, candidate) {
            let score = score::of(self.problem, candidate, |_| 0);
            class.waiting.push(Reverse((score, first)));
        }
        self.spreads.add(&class.values);
        self.rank(place);
        placed
    }
}

impl Class {
    /// Drops those from the front that the task does not fit on: they will not take it later either.
    fn settle(&mut self, problem: &Problem<'_>, candidates: &[Candidate<'_>]) {
        while self.ports_of_first.is_none()
            && let Some(Reverse((_, first))) = self.waiting.peek()
        {
            match feasible::fit(problem, &candidates[*first]) {
                Ok(ports) => self.ports_of_first = Some(ports),
                Err(_) => drop(self.waiting.pop()),
            }
        }
    }
}

/// How many tasks of the group are where each value of each attribute is.
struct Spreads<'a> {
    /// The strategies that spread over an attribute, and their places in the list.
    over: Vec<(usize, &'a str)>,
    numbers: Vec<BTreeMap<&'a str, usize>>,
    tasks: Vec<Vec<u64>>,
}

impl<'a> Spreads<'a> {
    fn new(problem: &Problem<'a>) -> Self {
        let attribute = |(place, strategy): (usize, &'a Strategy)| match strategy {
            Strategy::Spread(Over::Attribute(name)) => Some((place, name.as_str())),
            Strategy::Spread(Over::Instance) | Strategy::Binpack(_) | Strategy::Random => None,
        };
        let over: Vec<_> = strategies(problem)
            .enumerate()
            .filter_map(attribute)
            .collect();
        Self {
            numbers: vec![BTreeMap::new(); over.len()],
            tasks: vec![Vec::new(); over.len()],
            over,
        }
    }

    /// Counts an instance's tasks in, and says which values it has.
    fn count(&mut self, candidate: &Candidate<'a>) -> Vec<usize> {
        let mut values = Vec::with_capacity(self.over.len());
        for (which, (_, name)) in self.over.iter().enumerate() {
            let tasks = &mut self.tasks[which];
            let value = candidate.instance.attribute(name).unwrap_or_default();
            let number = *self.numbers[which].entry(value).or_insert_with(|| {
                tasks.push(0);
                tasks.len() - 1
            });
            tasks[number] += u64::from(candidate.same_group);
            values.push(number);
        }
        values
    }

    fn add(&mut self, values: &[usize]) {
        for (tasks, value) in self.tasks.iter_mut().zip(values) {
            tasks[*value] += 1;
        }
    }

    fn complete(&self, score: &mut Score, values: &[usize]) {
        for (which, (place, _)) in self.over.iter().enumerate() {
            score.by_strategy[*place] = self.tasks[which][values[which]];
        }
    }
}
