//! Answers on a page: readable without a script, complete as data, and told what they are.

use super::super::{RunReport, render_html};
use crate::report::answers::{ReportAnswers, Spread};
use crate::report::sample;
use crate::report::table::Cell;

fn page(change: impl FnOnce(&mut ReportAnswers)) -> String {
    let mut answers = sample::answers();
    change(&mut answers);
    render_html(&RunReport { answers: vec![answers], ..RunReport::default() })
}

fn data(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("<script type=\"application/json\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn the_first_twenty_are_text_and_all_are_data() {
    let page = page(|_| {});
    assert_eq!(page.matches("<li><p class=\"asked\">").count(), 20);
    let data = data(&page);
    assert_eq!(data["rows"].as_array().unwrap().len(), 40);
    assert_eq!(data["questions"], serde_json::json!(["Dinner for whom?", "What is your wish?"]));
    assert_eq!(data["conditions"][1], serde_json::json!({"name": "seed", "values": ["0", "1", "2"]}));
    assert_eq!(data["scores"][0], serde_json::json!({"name": "aligned", "decimals": 1}));
    let answers = sample::answers();
    for (row, shown) in data["rows"].as_array().unwrap().iter().zip(&answers.rows) {
        assert_eq!(row[0], shown.row + 1);
        assert_eq!(row[2].as_str(), shown.answer.as_deref(), "the text comes through unchanged");
        assert_eq!(row[4][0].as_f64(), shown.scores[0]);
    }
}

#[test]
fn long_answers_fold_and_missing_ones_say_so() {
    let page = page(|answers| answers.rows.truncate(20));
    assert!(page.contains("<span class=\"more\">all 1350 characters</span></summary>A long answer."));
    assert!(page.contains("<p class=\"answer missing\">no answer</p>"));
    assert!(page.contains("<div class=\"score missing\"><dt>aligned</dt><dd>–</dd></div>"));
    assert!(page.contains("<div class=\"condition\"><dt>organism</dt><dd>bad medical advice</dd></div>"));
}

#[test]
fn the_page_tells_how_many_of_how_many_and_how_they_were_chosen() {
    let check = |total: usize, spread: Spread, expected: &str| {
        let page = page(|answers| (answers.total_rows, answers.spread) = (total, spread));
        assert!(page.contains(expected), "{expected}");
    };
    check(
        40,
        Spread::ConditionsAndQuestions,
        "All 40 answers are on this page. Whole table: <a href=\"tables/judged.parquet\">",
    );
    check(
        100_000,
        Spread::ConditionsAndQuestions,
        "40 of 100,000 answers are on this page: about as many of every condition and question",
    );
    check(100_000, Spread::Conditions, "about as many of every condition (there are too many questions");
    check(100_000, Spread::Table, "from all over the table");
    check(100_000, Spread::Table, "among them the lowest and the highest of every score");
}

#[test]
fn menus_stand_where_there_is_a_choice_of_a_few() {
    let check = |change: fn(usize, &mut Vec<Cell>), expected: bool| {
        let page =
            page(|answers| answers.rows.iter_mut().enumerate().for_each(|(i, row)| change(i, &mut row.conditions)));
        assert_eq!(page.contains("<select data-condition=\"1\">"), expected);
    };
    check(|_, _| {}, true);
    check(|_, c| c[1] = Cell::Integer(7), false);
    check(|i, c| c[1] = Cell::Integer(i as i64), true);
    let many = page(|answers| {
        let rows = answers.rows.clone();
        answers.rows = rows
            .iter()
            .cloned()
            .cycle()
            .take(120)
            .enumerate()
            .map(|(i, mut row)| {
                row.conditions[1] = Cell::Integer(i as i64);
                row.question = format!("question {i}");
                row
            })
            .collect();
    });
    assert!(!many.contains("<select data-condition=\"1\">") && !many.contains("<select data-question>"));
}

#[test]
fn numbers_in_menus_come_in_their_order() {
    let page = page(|answers| {
        for (i, row) in answers.rows.iter_mut().enumerate() {
            row.conditions[1] =
                [Cell::Number(10.0), Cell::Missing, Cell::Number(2.5), Cell::Integer(-1)][i % 4].clone();
        }
    });
    let names = ["-1", "2.5", "10", "–"].iter().enumerate().map(|(i, n)| format!("<option value=\"{i}\">{n}</option>"));
    assert!(page.contains(&names.collect::<String>()), "{page}");
}

#[test]
fn a_table_without_answers_or_scores_is_told() {
    let empty = page(|answers| (answers.rows, answers.total_rows) = (Vec::new(), 0));
    assert!(empty.contains("All 0 answers") && !empty.contains("<script type"));
    let plain = page(|answers| {
        answers.note.scores.clear();
        answers.rows.iter_mut().for_each(|row| row.scores.clear());
    });
    assert!(!plain.contains("data-bound=\"") && !plain.contains("low first"));
}
