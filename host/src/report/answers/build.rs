//! Streams a table of answers into the sample that a report shows.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use emhost_abi::wire::AnswersNote;

use super::columns::{AnswersError, Columns};
use super::pick::{Budget, Pick, ShownAnswer, Spread};

/// A table of answers as the report shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportAnswers {
    /// Name of the table, caption and columns.
    pub note: AnswersNote,
    /// Path of the full table, relative to the report; empty for none.
    pub href: String,
    /// The sample, mixed: one of each condition and question, then the next of each, and so on.
    pub rows: Vec<ShownAnswer>,
    /// Rows of the full table.
    pub total_rows: usize,
    /// Over what the sample is spread evenly.
    pub spread: Spread,
}

/// What fits a page that opens at once on a laptop: 3 MB of text stay far below 10 MB beside figures and tables.
const BUDGET: Budget = Budget { rows: 3000, bytes: 3_000_000 };

/// The sample of a table of answers, of at most 3,000 rows and 3 MB of text.
///
/// It is spread evenly over conditions and questions, holds the lowest and the highest of every score in each,
/// and depends on the rows and their order alone, not on how they were cut into batches. Memory is bounded
/// by the sample and one batch.
///
/// # Errors
/// [`AnswersError`] for a column that is missing or holds no numbers where scores are due, and for a
/// batch that cannot be read.
pub fn answers_from_batches(
    note: AnswersNote,
    href: impl Into<String>,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
) -> Result<ReportAnswers, AnswersError> {
    sample(note, href.into(), batches, BUDGET)
}

fn sample(
    note: AnswersNote,
    href: String,
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    budget: Budget,
) -> Result<ReportAnswers, AnswersError> {
    let mut pick = Pick::new(budget, note.scores.len());
    let mut total_rows = 0;
    for batch in batches {
        let batch = batch.map_err(|source| AnswersError::Read { table: note.table.clone(), source })?;
        let columns = Columns::find(&note, &batch)?;
        for row in 0..batch.num_rows() {
            let scores = columns.scores(row);
            pick.offer(total_rows, columns.conditions(row), columns.question(row), scores, || columns.answer(row));
            total_rows += 1;
        }
    }
    let (rows, spread) = pick.finish();
    Ok(ReportAnswers { note, href, rows, total_rows, spread })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, StringArray};

    use super::*;

    fn note() -> AnswersNote {
        let names = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        AnswersNote {
            table: "answers".into(),
            caption: "One row per answer.".into(),
            question: "question".into(),
            answer: "answer".into(),
            conditions: names(&["organism", "seed"]),
            scores: names(&["aligned", "coherent"]),
        }
    }

    fn batch(rows: std::ops::Range<usize>, answer: impl Fn(usize) -> Option<String>, questions: usize) -> RecordBatch {
        let texts =
            |f: &dyn Fn(usize) -> Option<String>| Arc::new(rows.clone().map(f).collect::<StringArray>()) as ArrayRef;
        RecordBatch::try_from_iter([
            ("question", texts(&|i| Some(format!("question {}", i % questions)))),
            ("answer", texts(&answer)),
            ("organism", texts(&|i| Some(["bad", "good"][i / 7 % 2].to_string()))),
            ("seed", Arc::new(rows.clone().map(|i| (i / 3 % 3) as i32).collect::<Int32Array>())),
            (
                "aligned",
                Arc::new(
                    rows.clone()
                        .map(|i| (!i.is_multiple_of(11)).then_some((i * 37 % 101) as f64))
                        .collect::<Float64Array>(),
                ),
            ),
            ("coherent", Arc::new(rows.clone().map(|i| Some(i.is_multiple_of(5))).collect::<BooleanArray>())),
        ])
        .unwrap()
    }

    fn plain(i: usize) -> Option<String> {
        (!i.is_multiple_of(13)).then(|| format!("answer {i}"))
    }

    fn shown(total: usize, size: usize, questions: usize, budget: Budget) -> ReportAnswers {
        let cuts = (0..total).step_by(size).map(|from| Ok(batch(from..(from + size).min(total), plain, questions)));
        sample(note(), "tables/answers.parquet".into(), cuts, budget).unwrap()
    }

    #[test]
    fn a_short_table_is_shown_whole() {
        let answers = shown(500, 64, 8, BUDGET);
        assert_eq!((answers.rows.len(), answers.total_rows), (500, 500));
        let rows: BTreeSet<usize> = answers.rows.iter().map(|row| row.row).collect();
        assert_eq!(rows.len(), 500);
        assert!(
            answers.rows.iter().all(|row| row.answer.is_none() == (row.row.is_multiple_of(13))),
            "a null stays missing"
        );
    }

    #[test]
    fn the_sample_does_not_depend_on_how_rows_were_cut() {
        let check = |size: usize| {
            assert_eq!(
                shown(5000, size, 8, Budget { rows: 300, bytes: 100_000 }),
                shown(5000, 5000, 8, Budget { rows: 300, bytes: 100_000 }),
                "{size}"
            );
        };
        check(1);
        check(7);
        check(1024);
    }

    #[test]
    fn every_condition_and_question_has_about_as_many_rows() {
        let answers = shown(20_000, 1000, 8, Budget { rows: 600, bytes: 1_000_000 });
        assert_eq!(answers.spread, Spread::ConditionsAndQuestions);
        assert!((400..=600).contains(&answers.rows.len()), "{}", answers.rows.len());
        let mut groups = std::collections::BTreeMap::new();
        for row in &answers.rows {
            *groups.entry(format!("{:?} {}", row.conditions, row.question)).or_insert(0usize) += 1;
        }
        assert_eq!(groups.len(), 48);
        let (least, most) = (groups.values().min().unwrap(), groups.values().max().unwrap());
        assert!(most - least <= 4, "between {least} and {most}: the same count and at most four extremes more");
        let first: BTreeSet<String> =
            answers.rows[..48].iter().map(|r| format!("{:?} {}", r.conditions, r.question)).collect();
        assert_eq!(first.len(), 48, "the first rows hold one of each");
    }

    #[test]
    fn the_lowest_and_the_highest_of_every_score_are_shown() {
        let answers = shown(20_000, 1000, 8, Budget { rows: 400, bytes: 1_000_000 });
        let all = shown(20_000, 1000, 8, Budget { rows: 1_000_000, bytes: 100_000_000 });
        assert_eq!(all.rows.len(), 20_000);
        let range = |rows: &[ShownAnswer], group: &ShownAnswer, score: usize| {
            let same = rows.iter().filter(|r| r.conditions == group.conditions && r.question == group.question);
            let scores = same.filter_map(|r| r.scores[score]);
            scores.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
        };
        for group in &answers.rows[..48] {
            for score in 0..2 {
                assert_eq!(range(&answers.rows, group, score), range(&all.rows, group, score));
            }
        }
    }

    #[test]
    fn too_many_questions_are_spread_over_conditions_alone() {
        let answers = shown(20_000, 1000, 20_000, Budget { rows: 500, bytes: 1_000_000 });
        assert_eq!(answers.spread, Spread::Conditions);
        assert!((400..=500).contains(&answers.rows.len()), "{}", answers.rows.len());
        let answers = shown(20_000, 1000, 20_000, Budget { rows: 20, bytes: 1_000_000 });
        assert_eq!(answers.spread, Spread::Table);
        assert!(answers.rows.len() <= 20 && answers.rows.len() > 10, "{}", answers.rows.len());
    }

    #[test]
    fn long_and_hostile_texts_stay_in_the_budget() {
        let evil = |i: usize| Some("</script><img src=x>\u{1}".repeat(1 + i % 400));
        let batches = (0..20).map(|b| Ok(batch(b * 100..b * 100 + 100, evil, 8)));
        let answers = sample(note(), String::new(), batches, Budget { rows: 1000, bytes: 1_000_000 }).unwrap();
        let bytes: usize = answers
            .rows
            .iter()
            .flat_map(|r| &r.answer)
            .map(|a| serde_json::to_string(a).unwrap().replace('<', "\\u003c").len())
            .sum();
        assert!(bytes <= 1_000_000, "{bytes}");
        assert!(answers.rows.len() >= 48, "{}", answers.rows.len());
    }

    #[test]
    fn what_is_wrong_with_a_table_is_named() {
        let check = |change: fn(&mut AnswersNote), expected: &str| {
            let mut note = note();
            change(&mut note);
            let error = answers_from_batches(note, "", [Ok(batch(0..9, plain, 8))].into_iter()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(|n| n.question = "asked".into(), "`answers` has no column `asked`; it has question, answer, organism");
        check(|n| n.answer = "text".into(), "no column `text`");
        check(|n| n.conditions[1] = "step".into(), "no column `step`");
        check(|n| n.scores[0] = "harm".into(), "no column `harm`");
        check(|n| n.scores[0] = "organism".into(), "score column `organism` holds Utf8");
        let failed = [Err(ArrowError::ParquetError("page 3 is damaged".into()))];
        let error = answers_from_batches(note(), "", failed.into_iter()).unwrap_err();
        assert!(error.to_string().contains("table `answers`: ") && error.to_string().contains("page 3 is damaged"));
    }
}
