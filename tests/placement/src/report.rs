//! Figures beside SwarmKit's, which are stored, and the goals they have to meet.

use serde::Serialize;

use crate::runs::{Figure, Shape, TASKS};

/// SwarmKit's placements a second at 1,000, 10,000 and 100,000 nodes, measured in November 2026 on a 2-core machine: its own
/// scheduler, in memory, no consensus. Its program can not run here, so that these are stored; 0 where there is none.
const SWARMKIT: [(Shape, [f64; 3]); 4] = [
    (Shape::OneService, [13_000.0, 13_600.0, 11_900.0]),
    (Shape::Services, [12_400.0, 10_900.0, 2_850.0]),
    (Shape::ConstrainedServices, [13_300.0, 8_300.0, 1_170.0]),
    (Shape::OneByOne, [7_700.0, 0.0, 29.0]),
];
/// SwarmKit's heap for 100,000 running tasks, stored as well.
const SWARMKIT_MEMORY_MIB: f64 = 471.0;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    goal: Option<&'static str>,
    what: String,
    instances: usize,
    /// Placements a second, or MiB.
    ours: f64,
    /// Decisions a second, without their being applied.
    deciding: Option<f64>,
    swarmkit_stored: Option<f64>,
    ratio: Option<f64>,
    must: Option<f64>,
    aim: Option<f64>,
    less_is_better: bool,
}

/// A ratio to SwarmKit's figure that must be reached.
pub(crate) struct Goal {
    is_met: bool,
}

impl Row {
    pub(crate) fn rates(shape: Shape, instances: usize, figures: &[Figure]) -> Self {
        let all = figures
            .iter()
            .map(|one| TASKS as f64 / (one.deciding_s + one.applying_s));
        let deciding = figures.iter().map(|one| TASKS as f64 / one.deciding_s);
        let size = match instances {
            1_000 => 0,
            10_000 => 1,
            _ => 2,
        };
        let stored = SWARMKIT.iter().find(|(one, _)| *one == shape);
        let stored = stored
            .map(|(_, rates)| rates[size])
            .filter(|rate| *rate > 0.0);
        let (goal, must, aim) = match (shape, size) {
            (Shape::OneService, _) => ("G8", 3.0, 10.0),
            (Shape::ConstrainedServices, 2) => ("G9", 5.0, 30.0),
            (Shape::ConstrainedServices, _) => ("G9", 3.0, 10.0),
            (Shape::OneByOne, 0) => ("G10", 2.0, 10.0),
            (Shape::OneByOne, 2) => ("G10", 50.0, 500.0),
            (Shape::OneByOne | Shape::Services, _) => ("", 0.0, 0.0),
        };
        let ours = median(all.collect());
        let counts = !goal.is_empty();
        Self {
            goal: counts.then_some(goal),
            what: format!("{}, placements/s", shape.name()),
            instances,
            ours,
            deciding: Some(median(deciding.collect())),
            swarmkit_stored: stored,
            ratio: stored.map(|stored| ours / stored),
            must: counts.then_some(must),
            aim: counts.then_some(aim),
            less_is_better: false,
        }
    }

    pub(crate) fn memory(instances: usize, growth_bytes: u64) -> Self {
        let ours = growth_bytes as f64 / f64::from(1 << 20);
        Self {
            goal: Some("G16"),
            what: "100,000 running tasks, MiB".into(),
            instances,
            ours,
            deciding: None,
            swarmkit_stored: Some(SWARMKIT_MEMORY_MIB),
            ratio: Some(ours / SWARMKIT_MEMORY_MIB),
            must: Some(0.5),
            aim: Some(0.25),
            less_is_better: true,
        }
    }

    fn reaches(&self, ratio: Option<f64>) -> Option<bool> {
        let (ours, wanted) = (self.ratio?, ratio?);
        Some(if self.less_is_better {
            ours <= wanted
        } else {
            ours >= wanted
        })
    }

    fn verdict(&self) -> &'static str {
        match (self.reaches(self.must), self.reaches(self.aim)) {
            (None, _) => "",
            (Some(false), _) => "MISSED",
            (Some(true), Some(true)) => "met, aim too",
            (Some(true), _) => "met",
        }
    }
}

impl Goal {
    pub(crate) fn of(row: &Row) -> Option<Self> {
        let is_met = row.reaches(row.must)?;
        Some(Self { is_met })
    }

    pub(crate) fn is_met(&self) -> bool {
        self.is_met
    }
}

pub(crate) fn print(rows: &[Row], goals: &[Goal], as_json: bool) {
    if as_json {
        let all = serde_json::json!({
            "benchmark": "placement",
            "rows": rows,
            "every_must_met": goals.iter().all(Goal::is_met),
        });
        println!("{all}");
        return;
    }
    println!(
        "{:<5}{:<52}{:>9}{:>11}{:>11}{:>11}{:>9}{:>7}{:>7}",
        "goal", "what", "instances", "ours", "deciding", "SwarmKit*", "ratio", "must", "aim"
    );
    for row in rows {
        let number = |figure: Option<f64>, digits| {
            figure.map_or(String::new(), |figure| format!("{figure:.digits$}"))
        };
        let times = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio}x"));
        println!(
            "{:<5}{:<52}{:>9}{:>11.0}{:>11}{:>11}{:>9}{:>7}{:>7}  {}",
            row.goal.unwrap_or(""),
            row.what,
            row.instances,
            row.ours,
            number(row.deciding, 0),
            number(row.swarmkit_stored, 0),
            number(row.ratio, 2),
            times(row.must),
            times(row.aim),
            row.verdict(),
        );
    }
    println!(
        "* stored: SwarmKit's scheduler in memory, November 2026, another 2-core machine; it can not run here."
    );
    println!(
        "Every placement was checked: no reservation exceeded, constraints hold, skew at most 1."
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
