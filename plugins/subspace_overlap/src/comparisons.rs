//! Scores before and after a fine-tune: tests of means, variances and whole distributions, over answers, questions and
//! topics.

use std::collections::{BTreeMap, BTreeSet};

use emhost_sdk::prelude::*;
use emhost_stats::bootstrap::Bootstrap;
use emhost_stats::correlation::{pearson, ranks};
use emhost_stats::empirical::Tail::TwoSided;
use emhost_stats::hypothesis::{
    RankTest, cohens_d, ks_asymptotic, ks_exact, paired_t, signed_rank_asymptotic, signed_rank_exact, variance_f,
    welch_t,
};
use emhost_stats::permutation::Permutation;
use emhost_stats::regression::ridge;
use emhost_stats::{Matrix, StatsError};
use emhost_study::{Answers, Columns, failed};

use crate::analysis::clusters::FEWEST_TOPICS;

/// Alignment of coherent answers.
pub struct Scored {
    values: Vec<f64>,
    questions: Vec<String>,
    topics: Vec<String>,
}

impl Scored {
    /// The coherent answers that have an alignment.
    pub fn of(answers: &Answers) -> Self {
        let mut scored = Self { values: Vec::new(), questions: Vec::new(), topics: Vec::new() };
        for at in (0..answers.len()).filter(|&at| answers.coherent(at)) {
            let alignment = answers.score("alignment", at);
            if alignment.is_finite() {
                scored.values.push(alignment);
                scored.questions.push(answers.row_ids[at].clone());
                scored.topics.push(answers.topics[at].clone());
            }
        }
        scored
    }

    /// Alignment of each answer.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Topics, or questions where there are too few of them to be resampled.
    pub fn clusters(&self) -> &[String] {
        let few = self.topics.iter().collect::<BTreeSet<_>>().len() < FEWEST_TOPICS;
        if few { &self.questions } else { &self.topics }
    }

    /// Mean alignment of each question, with its topic and the number of answers.
    pub fn by_question(&self) -> BTreeMap<&str, Question<'_>> {
        let mut found: BTreeMap<&str, Question<'_>> = BTreeMap::new();
        for ((value, question), topic) in self.values.iter().zip(&self.questions).zip(&self.topics) {
            let one = found.entry(question).or_insert(Question { topic, mean: 0.0, n: 0 });
            (one.mean, one.n) = (one.mean + value, one.n + 1);
        }
        found.values_mut().for_each(|one| one.mean /= one.n as f64);
        found
    }
}

/// The answers to one question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What it is about.
    pub topic: &'a str,
    /// Their mean alignment.
    pub mean: f64,
    /// Their number.
    pub n: usize,
}

/// What is counted once: two samples, value by value of the same thing where they are paired.
struct Unit {
    name: &'static str,
    paired: bool,
    before: Vec<f64>,
    after: Vec<f64>,
    clusters: [Vec<String>; 2],
}

/// A test's numbers; NaN where it has none.
struct Test {
    name: &'static str,
    statistic: f64,
    df: [f64; 2],
    p: f64,
    pairs: usize,
    method: &'static str,
}

/// Adds all tests of one organism and bank to the table `comparisons`, `after` against `before`.
///
/// # Errors
///
/// Numbers that overflow. What cannot be tested (nothing varies, too few values) is missing.
pub fn compare(
    columns: &mut Columns,
    [organism, bank]: [&str; 2],
    before: &Scored,
    after: &Scored,
    bootstrap: Bootstrap,
) -> Result<()> {
    for unit in units(before, after) {
        let Unit { before, after, clusters, .. } = &unit;
        let difference = |after: &[f64], before: &[f64]| mean(after) - mean(before);
        let effect = |a: &[f64], b: &[f64]| cohens_d(a, b).unwrap_or(f64::NAN);
        let [d, d_low, d_high] = interval(&unit, bootstrap, effect);
        let [shift, shift_low, shift_high] = interval(&unit, bootstrap, difference);
        let all: BTreeSet<&String> = clusters.iter().flatten().collect();
        let [slope, intercept] = line(&unit);
        for test in tests(&unit).map_err(failed("compare scores before and after"))? {
            columns.text("organism", organism);
            columns.text("bank", bank);
            columns.text("unit", unit.name);
            columns.text("test", test.name);
            columns.count("n_before", before.len() as u64);
            columns.count("n_after", after.len() as u64);
            columns.count("pairs", test.pairs as u64);
            columns.count("clusters", all.len() as u64);
            columns.number("mean_before", mean(before));
            columns.number("mean_after", mean(after));
            columns.number("difference", shift);
            columns.number("difference_low", shift_low);
            columns.number("difference_high", shift_high);
            columns.number("cohens_d", d);
            columns.number("cohens_d_low", d_low);
            columns.number("cohens_d_high", d_high);
            columns.number("statistic", test.statistic);
            columns.number("df", test.df[0]);
            columns.number("df_before", test.df[1]);
            columns.number("p", test.p);
            columns.number("slope", if test.name == "pearson" { slope } else { f64::NAN });
            columns.number("intercept", if test.name == "pearson" { intercept } else { f64::NAN });
            columns.text("method", format!("{}; intervals: bootstrap over clusters", test.method));
        }
    }
    Ok(())
}

/// Adds one organism and bank to the table `question_scores`.
pub fn question_scores(columns: &mut Columns, [organism, bank]: [&str; 2], before: &Scored, after: &Scored) {
    let (before, after) = (before.by_question(), after.by_question());
    for (question, was) in &before {
        let Some(is) = after.get(question) else { continue };
        columns.text("organism", organism);
        columns.text("bank", bank);
        columns.text("row_id", *question);
        columns.text("topic", was.topic);
        columns.count("n_before", was.n as u64);
        columns.count("n_after", is.n as u64);
        columns.number("before", was.mean);
        columns.number("after", is.mean);
    }
}

fn units(before: &Scored, after: &Scored) -> [Unit; 3] {
    let answers = Unit {
        name: "answer",
        paired: false,
        before: before.values.clone(),
        after: after.values.clone(),
        clusters: [before.clusters().to_vec(), after.clusters().to_vec()],
    };
    let (was, is) = (before.by_question(), after.by_question());
    let shared: Vec<(&str, Question<'_>, Question<'_>)> =
        was.iter().filter_map(|(question, was)| Some((*question, *was, *is.get(question)?))).collect();
    let mut topics: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    for (_, was, is) in &shared {
        let sums = topics.entry(was.topic).or_default();
        sums.iter_mut().zip([1.0, was.mean, is.mean]).for_each(|(sum, value)| *sum += value);
    }
    let several = topics.len() >= FEWEST_TOPICS;
    let cluster =
        |(question, was, _): &(&str, Question<'_>, Question<'_>)| if several { was.topic } else { question }.to_owned();
    let names: Vec<String> = shared.iter().map(cluster).collect();
    let questions = Unit {
        name: "question",
        paired: true,
        before: shared.iter().map(|(_, was, _)| was.mean).collect(),
        after: shared.iter().map(|(.., is)| is.mean).collect(),
        clusters: [names.clone(), names],
    };
    // Too few topics make no test.
    if !several {
        topics.clear();
    }
    let names: Vec<String> = topics.keys().map(|&topic| topic.to_owned()).collect();
    let topics = Unit {
        name: "topic",
        paired: true,
        before: topics.values().map(|[n, was, _]| was / n).collect(),
        after: topics.values().map(|[n, _, is]| is / n).collect(),
        clusters: [names.clone(), names],
    };
    [answers, questions, topics]
}

fn tests(unit: &Unit) -> Result<Vec<Test>, StatsError> {
    let Unit { before, after, paired, .. } = unit;
    let pairs = if *paired { before.len() } else { 0 };
    let test = |name, method, found: Result<[f64; 4], StatsError>, pairs| {
        let [statistic, p, df, df_before] = match found {
            Err(StatsError::Constant { .. } | StatsError::TooFew { .. } | StatsError::Empty { .. }) => [f64::NAN; 4],
            other => other?,
        };
        Ok::<_, StatsError>(Test { name, statistic, df: [df, df_before], p, pairs, method })
    };
    let t = |found: Result<emhost_stats::hypothesis::TTest, _>| found.map(|t| [t.statistic, t.p, t.df, f64::NAN]);
    let plain = |statistic, p| [statistic, p, f64::NAN, f64::NAN];
    let variances = variance_f(after, before, TwoSided).map(|f| [f.statistic, f.p, f.df.0, f.df.1]);
    let spread = test("variance_f", "Fisher's F of variances, after over before", variances, pairs);
    let (ks, ks_method) = if before.len() * after.len() <= EXACT {
        (ks_exact(after, before), "Kolmogorov-Smirnov, exact without ties")
    } else {
        (ks_asymptotic(after, before), "Kolmogorov-Smirnov, asymptotic")
    };
    let shape = test("ks", ks_method, ks.map(|ks| plain(ks.statistic, ks.p)), pairs);
    if !paired {
        let means = test("welch_t", "Welch's t, answers taken as independent", t(welch_t(after, before, TwoSided)), 0);
        return [means, spread, shape].into_iter().collect();
    }
    let (ranked, rank_method) = signed_ranks(before, after);
    let moved = before.iter().zip(after).filter(|(before, after)| before != after).count();
    // A sum of nothing is -0.
    let ranked = ranked.map(|found| plain(found.statistic + 0.0, found.p));
    let ranks = test("signed_rank", rank_method, ranked, moved);
    let means = test("paired_t", "paired t", t(paired_t(after, before, TwoSided)), pairs);
    if unit.name == "topic" {
        return [means, ranks].into_iter().collect();
    }
    let related = pearson(before, after).map(|found| [found.r, found.p, (found.n - 2) as f64, f64::NAN]);
    let related = test("pearson", "Pearson's r of before and after, t; least squares line", related, pairs);
    [means, ranks, spread, shape, related].into_iter().collect()
}

/// Wilcoxon's test: exact where no differences tie, by all sign flips of the ranks where few do, else asymptotic.
fn signed_ranks(before: &[f64], after: &[f64]) -> (Result<RankTest, StatsError>, &'static str) {
    let exact = signed_rank_exact(after, before, TwoSided);
    if !matches!(exact, Err(StatsError::OutOfRange { .. })) {
        return (exact, "Wilcoxon's signed ranks, exact");
    }
    let asymptotic = signed_rank_asymptotic(after, before, TwoSided);
    let moved: Vec<f64> =
        after.iter().zip(before).map(|(after, before)| after - before).filter(|d| *d != 0.0).collect();
    if moved.len() > FEW_TIES {
        return (asymptotic, "Wilcoxon's signed ranks, asymptotic");
    }
    let flipped = |found: RankTest| {
        let sizes: Vec<f64> = moved.iter().map(|difference| difference.abs()).collect();
        let signed: Vec<f64> = ranks(&sizes)?.iter().zip(&moved).map(|(rank, d)| rank.copysign(*d)).collect();
        let flips = Permutation { exact_up_to: 1 << FEW_TIES, ..Permutation::default() };
        Ok(RankTest { p: flips.sign_flip(&signed, TwoSided)?.p, ..found })
    };
    (asymptotic.and_then(flipped), "Wilcoxon's signed ranks, all sign flips")
}

/// Up to this many tied differences all signs are tried.
const FEW_TIES: usize = 16;

/// Products of sample sizes up to this are tested exactly.
const EXACT: usize = 1_000_000;

/// Slope and intercept of the least squares line of after on before; NaN where before does not vary.
fn line(unit: &Unit) -> [f64; 2] {
    let column = Matrix::from_vec(unit.before.len(), 1, unit.before.clone());
    match column.and_then(|before| ridge(&before, &unit.after, 0.0)) {
        Ok(found) => [found.coefficients[0], found.intercept],
        Err(_) => [f64::NAN; 2],
    }
}

/// An effect of after against before with its 95 % interval: percentiles over resampled clusters, the same ones before
/// and after.
fn interval(unit: &Unit, bootstrap: Bootstrap, effect: impl Fn(&[f64], &[f64]) -> f64) -> [f64; 3] {
    let Unit { before, after, clusters: [was, is], .. } = unit;
    let values: Vec<f64> = before.iter().chain(after).copied().collect();
    let names: Vec<&String> = was.iter().chain(is).collect();
    let split = |rows: &[usize]| {
        let (before_rows, after_rows): (Vec<usize>, Vec<usize>) = rows.iter().partition(|&&row| row < before.len());
        let of = |rows: Vec<usize>| rows.into_iter().map(|row| values[row]).collect::<Vec<f64>>();
        effect(&of(after_rows), &of(before_rows))
    };
    match bootstrap.statistic(&names, split) {
        Ok(found) => [found.estimate, found.percentile.low, found.percentile.high],
        // A single cluster, or a draw in which nothing varies: no interval.
        Err(_) => [effect(after, before), f64::NAN, f64::NAN],
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
