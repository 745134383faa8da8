//! How often schedules without merit are called better, and whether one with merit is found.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use emhost_stats::random::Rng;
use training_dynamics::{DISCOVERY, Difference, Kind, Place, compare, ignore_seeds};

const TOPICS: usize = 13;
const SCHEDULES: usize = 37;

/// A study in which all fine-tunes lie on one curve of loss and alignment, but for noise.
struct World {
    rng: Rng,
    /// Deviation between seeds in alignment (of a schedule: times this schedule's factor).
    seeds: f64,
    /// Deviation between seeds in loss.
    losses: f64,
    /// Deviation of a fine-tune's score on a topic.
    topics: f64,
    /// Whether some schedules vary more between seeds than others.
    uneven: bool,
}

impl World {
    /// A fine-tune that is meant to end at a loss: alignment falls from 95 at a loss of 1 to 45 at .7, more on some topics.
    fn place(&mut self, loss: f64, merit: f64, spread: f64) -> Place {
        let shared = merit + spread * self.seeds * self.rng.normal();
        let topics = (0..TOPICS).map(|topic| {
            let curve = 95.0 - (50.0 + 3.0 * topic as f64) * ((1.0 - loss) / 0.3).powi(2);
            curve + shared + self.topics * self.rng.normal()
        });
        let topics = topics.collect();
        Place { loss: loss + self.losses * self.rng.normal(), topics }
    }

    /// A baseline with three seeds and nine checkpoints, and schedules with two; the first schedule has merit.
    fn study(&mut self, merit: f64) -> Vec<Difference> {
        let path =
            |world: &mut Self| (0..9).map(|at| world.place(1.0 - 0.3 * (at as f64 / 8.0).sqrt(), 0.0, 1.0)).collect();
        let baseline: Vec<Vec<Place>> = (0..3).map(|_| path(self)).collect();
        let schedules: Vec<(String, Vec<Place>)> = (0..SCHEDULES)
            .map(|at| {
                let loss = 0.7 + 0.04 * self.rng.uniform();
                let merit = if at == 0 { merit } else { 0.0 };
                let spread = if self.uneven { 0.5 + self.rng.uniform() } else { 1.0 };
                (at.to_string(), (0..2).map(|_| self.place(loss, merit, spread)).collect())
            })
            .collect();
        compare(&baseline, &schedules, 0.01).unwrap()
    }
}

fn world(seed: u64, seeds: f64, uneven: bool) -> World {
    World { rng: Rng::new(seed, 0), seeds, losses: 0.001, topics: 4.0, uneven }
}

fn any_better(all: &[Difference]) -> bool {
    all.iter().any(|one| one.kind != Kind::SeedControl && one.better())
}

/// The share of studies with a finding of either kind.
fn rate(studies: u64, seeds: f64, uneven: bool) -> f64 {
    let found = |study: &u64| {
        let all = world(*study, seeds, uneven).study(0.0);
        let tested = all.iter().filter(|one| one.kind == Kind::EqualLoss && one.p.is_finite()).count();
        assert!(tested > SCHEDULES / 2, "most are compared");
        any_better(&all)
    };
    (0..studies).filter(found).count() as f64 / studies as f64
}

#[test]
fn schedules_without_merit_are_seldom_called_better() {
    // Of 1,000 studies at a true rate of 5 % two standard errors are 1.4 %.
    for (seeds, uneven) in [(0.0, false), (1.5, false), (4.0, false), (4.0, true)] {
        let rate = rate(1000, seeds, uneven);
        println!("deviation between seeds {seeds}, uneven {uneven}: {rate}");
        assert!(rate <= 0.064, "deviation between seeds {seeds}, uneven {uneven}: {rate}");
    }
}

#[test]
fn a_test_that_ignores_seeds_calls_luck_a_merit() {
    let found = |study: &u64| {
        let mut all = world(*study, 4.0, false).study(0.0);
        ignore_seeds(&mut all, 0).unwrap();
        all.iter().any(|one| one.kind == Kind::EqualLoss && one.of_topics[1] <= DISCOVERY)
    };
    let rate = (0..40).filter(found).count() as f64 / 40.0;
    println!("ignoring seeds: {rate}");
    assert!(rate > 0.5, "{rate}");
}

#[test]
fn a_schedule_with_merit_is_found() {
    let found = |study: &u64| {
        let all = world(*study, 1.5, false).study(12.0);
        all.iter().any(|one| one.kind == Kind::EqualLoss && one.schedule == "0" && one.better())
    };
    let rate = (0..100).filter(found).count() as f64 / 100.0;
    println!("power: {rate}");
    assert!(rate > 0.8, "{rate}");
}

#[test]
fn seeds_of_the_baseline_are_no_exception() {
    let found = |study: &u64| {
        let all = world(*study, 4.0, false).study(0.0);
        all.iter().any(|one| one.kind == Kind::SeedControl && (one.better() || one.worse()))
    };
    let rate = (0..1000).filter(found).count() as f64 / 1000.0;
    println!("seed control: {rate}");
    assert!(rate <= 0.064, "{rate}");
}
