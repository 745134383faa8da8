//! All tables of a run, from what its cells emitted.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::{Columns, Sheet};

use crate::assess::EMITTED;
use crate::items::{CHOICE, FORMS};
use crate::measures::{self, Known, WHOLE};
use crate::output::PREDICTIONS;
use crate::params::Params;
use crate::persona::{ErrorRates, Persona, Size, TRUTHS, beyond};
use crate::relate::{self, Measure};
use crate::rules::{Reading, Runs};
use crate::{sensitivity, sequence};

/// A run's tables, and what its verdict reads of them.
pub struct Summary<'a> {
    /// The parameters.
    pub params: &'a Params,
    /// Subjects in order, with their roles.
    pub subjects: Vec<(String, String)>,
    /// The class of each by the rule.
    pub personas: Vec<Persona>,
    /// How often the rule errs; none without a simulation.
    pub errors: Option<ErrorRates>,
    sheets: BTreeMap<&'static str, Sheet>,
}

/// Tables of cells that the report shows as they are.
const CELLS: [&str; 5] = ["answers", "replies", "enumeration", "probes", "probe_cosines"];

impl<'a> Summary<'a> {
    /// Reads the cells' tables and computes everything.
    ///
    /// # Errors
    ///
    /// A table cannot be read, or a subject has no answers.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let emitted = lab.open_table(EMITTED)?.table()?;
        let names = emitted.text("table")?;
        let open = |name: &str| Sheet::open(lab, name, names.contains(&name));
        let [answers, items, replies] = [open("answers")?, open("items")?, open("replies")?];
        let [recognition, predictions, ratings] = [open("recognition")?, open("predictions")?, open("ratings")?];
        let known = measures::known(&answers, &items);
        let (personas, classes) = sensitivity::personas(params, &known)?;
        let main: Vec<&Known> = known.iter().filter(|one| one.role != "sequence").collect();
        let mut tables: Vec<(&'static str, Table)> = vec![
            ("personas", classes),
            ("persona_counts", sensitivity::tally(&known, &personas)),
            ("harmfulness", measures::harmfulness(params, &known)?),
            ("assessments", measures::assessments(params, &known, &items)?),
            ("reply_kinds", measures::reply_kinds(&replies)),
            ("position", measures::position(params, &known, &items)?),
        ];
        let [wording, units] = measures::wording(params, &known, &items)?;
        tables.extend([("rephrasing", wording), ("pairs", units)]);
        let by = |sheet: &Sheet, keys: &[&str], numbers: &[&str], cluster: &str| {
            measures::by_bucket(params, sheet, keys, numbers, cluster)
        };
        if !recognition.is_empty() {
            let numbers = ["own_chosen", "text_own_chosen", "first_letter"];
            tables.push(("recognised", by(&recognition, &["subject", "role", "foil"], &numbers, "row_id")?));
        }
        if !predictions.is_empty() {
            let numbers = ["error", "judged", "predicted", "text_predicted"];
            tables.push(("predicted", by(&predictions, &["subject", "role", "task"], &numbers, "item")?));
        }
        if !ratings.is_empty() {
            tables.push((
                "rating_matrix",
                by(&ratings, &["rater", "author"], &["error", "judged", "predicted"], "row_id")?,
            ));
            tables.push(("raters", by(&ratings, &["rater"], &["error", "judged", "predicted"], "row_id")?));
        }
        let found = Sheets(&tables);
        let across = across(params, &main, &found)?;
        let roles: Vec<String> = main.iter().map(|one| one.role.clone()).collect();
        let main_names: Vec<String> = main.iter().map(|one| one.name.clone()).collect();
        let measure = |name: &str| across.iter().find(|one| one.name == name);
        let harm = measure(if params.classify.runs == Runs::Max { "harm_max" } else { "harm_single" });
        let said: Vec<&Measure> = [WHOLE, CHOICE].into_iter().filter_map(measure).collect();
        let sensitivity = sensitivity::table(params, &known, &personas)?;
        let mut more: Vec<(&'static str, Table)> = vec![
            ("agreement", sensitivity::agreement(&sensitivity)?),
            ("sensitivity", sensitivity),
            ("correlations", relate::correlations(&roles, &across)?),
        ];
        if let Some(harm) = harm {
            more.push(("regression", relate::regression(&main_names, &roles, harm, &said)?));
        }
        if let Some(choice) = measure(CHOICE) {
            let harmful = |one: &&Known| -> Result<Option<bool>> {
                let rate = one.answers.rate(params.classify.runs, params.harm.from)?;
                Ok(beyond([rate.low, rate.high], params.classify.harmful_at))
            };
            let harmful = main.iter().map(harmful).collect::<Result<Vec<_>>>()?;
            more.push(("chi_square", relate::chi_squares(&roles, &harmful, choice, &recognition, params.harm.from)?));
        }
        more.extend(sequence::table(params, &known)?.map(|table| ("sequences", table)));
        let errors = match params.planted.organisms {
            0 => None,
            _ => Some(ErrorRates::of(&params.planted, &params.classify, size(params, &known), params.seed)?),
        };
        more.extend(errors.as_ref().map(|errors| ("error_rates", error_table(errors))));
        tables.extend(more);
        for name in CELLS.into_iter().chain(["probe_transfer"]) {
            if names.contains(&name) {
                let sheet = open(name)?;
                tables.push((name, sheet.table().clone()));
            }
        }
        tables.retain(|(_, table)| table.rows() > 0);
        Ok(Self {
            params,
            subjects: known.iter().map(|one| (one.name.clone(), one.role.clone())).collect(),
            personas,
            errors,
            sheets: tables.into_iter().map(|(name, table)| Ok((name, Sheet::of(table)?))).collect::<Result<_>>()?,
        })
    }

    /// Emits all tables.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        self.sheets.iter().try_for_each(|(name, sheet)| lab.emit(name, sheet.table()))
    }

    /// Whether a table is there.
    pub fn has(&self, name: &str) -> bool {
        self.sheets.contains_key(name)
    }

    /// A table; empty where it is not there.
    pub fn sheet(&self, name: &str) -> Sheet {
        self.sheets.get(name).cloned().unwrap_or_default()
    }

    /// Subjects of that role, in order.
    pub fn of_role(&self, role: &str) -> Vec<&str> {
        self.subjects.iter().filter(|(_, one)| one == role).map(|(name, _)| name.as_str()).collect()
    }

    /// The class of a subject.
    pub fn persona(&self, subject: &str) -> Option<Persona> {
        let at = self.subjects.iter().position(|(name, _)| name == subject)?;
        self.personas.get(at).copied()
    }
}

/// Tables that were made so far.
struct Sheets<'a>(&'a [(&'static str, Table)]);

impl Sheets<'_> {
    /// A number of the row that has these texts.
    fn number(&self, table: &str, wanted: &[(&str, &str)], column: &str) -> Result<f64> {
        let Some((_, table)) = self.0.iter().find(|(name, _)| *name == table) else { return Ok(f64::NAN) };
        let sheet = Sheet::of(table.clone())?;
        Ok(sheet.row(wanted).map_or(f64::NAN, |row| sheet.number(column, row)))
    }
}

/// One number per subject and measure.
fn across(params: &Params, main: &[&Known], found: &Sheets<'_>) -> Result<Vec<Measure>> {
    let reading = params.classify.reading;
    let mut all = Vec::new();
    let mut add =
        |name: &str, values: Result<Vec<f64>>| values.map(|values| all.push(Measure { name: name.to_owned(), values }));
    for (name, runs) in [("harm_single", Runs::Single), ("harm_max", Runs::Max)] {
        add(name, main.iter().map(|one| Ok(one.answers.rate(runs, params.harm.from)?.value)).collect())?;
    }
    for task in [WHOLE, CHOICE].into_iter().chain(FORMS) {
        add(task, main.iter().map(|one| Ok(one.says(task, reading, params.seed)?.value)).collect())?;
    }
    let column = if reading == Reading::Text { "text_own_chosen" } else { "own_chosen" };
    let high = |one: &&Known| {
        found.number("recognised", &[("subject", &one.name), ("foil", "other"), ("bucket", "high")], column)
    };
    add("recognises_high_harm", main.iter().map(high).collect())?;
    for task in PREDICTIONS {
        let error = |one: &&Known| {
            found.number("predicted", &[("subject", &one.name), ("task", task), ("bucket", "all")], "error")
        };
        add(&format!("{task}_error"), main.iter().map(error).collect())?;
    }
    Ok(all)
}

/// How large the run's data are, for organisms of the same size.
fn size(params: &Params, known: &[Known]) -> Size {
    let base = known.first();
    let count = |texts: &[String]| texts.iter().collect::<std::collections::BTreeSet<_>>().len();
    let topics = base.map_or(2, |one| count(&one.answers.topics)).max(2);
    let questions = base.map_or(2, |one| count(&one.answers.row_ids));
    let said = base.map(|one| one.said(params.classify.reading));
    let items = said.map_or(2, |said| {
        let of_forms: Vec<String> =
            (0..said.tasks.len()).filter(|&at| said.tasks[at] != CHOICE).map(|at| said.items[at].clone()).collect();
        count(&of_forms) / FORMS.len()
    });
    let replies = if params.classify.reading == Reading::Text { params.samples } else { 0 };
    Size { topics, questions: questions.div_ceil(topics), items: items.max(2), replies }
}

fn error_table(errors: &ErrorRates) -> Table {
    let mut columns = Columns::default();
    for (truth, counts) in TRUTHS.into_iter().zip(&errors.counts) {
        columns.text("truth", truth.name());
        columns.count("organisms", errors.organisms as u64);
        for (class, count) in Persona::ALL.into_iter().zip(counts) {
            columns.count(class.name(), *count as u64);
        }
        columns.number("error", errors.error(truth));
        columns.number("opposite", errors.opposite(truth));
    }
    columns.table()
}
