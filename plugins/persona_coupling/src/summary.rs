//! The cells' tables, and what is computed from all of them together.

use emhost_sdk::prelude::*;
use emhost_study::{Columns, Sheet};

use crate::claims::{self, Claim};
use crate::compare::{Asked, Finding, Runs, equivalence};
use crate::leakage::{self, Leak};
use crate::params::Params;

/// Everything that the report speaks of.
pub struct Summary<'a> {
    /// The parameters.
    pub params: &'a Params,
    /// The model before any fine-tune.
    pub model: ModelInfo,
    /// How each cell ended.
    pub outcomes: Sheet,
    /// Tables of cells, by name; empty where no cell has one.
    sheets: Vec<(&'static str, Sheet)>,
    /// EM against benign, by variant.
    pub findings: Vec<(String, Finding)>,
    /// Personas with the marker.
    pub leaks: Vec<Leak>,
    /// The claims.
    pub claims: Vec<Claim>,
}

/// Tables that cells emit, in the order of the report.
const TABLES: [&str; 11] = [
    "gates",
    "changes",
    "markers",
    "behaviour",
    "norms",
    "layers",
    "lens",
    "divergence",
    "work",
    "questions",
    "answers",
];

impl<'a> Summary<'a> {
    /// Reads what the cells emitted.
    ///
    /// # Errors
    ///
    /// A table cannot be read, or a statistic fails.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let outcomes = Sheet::open(lab, "outcomes", true)?;
        let has = |name: &str| {
            (0..outcomes.len()).any(|row| outcomes.text("tables", row).split(' ').any(|table| table == name))
        };
        let sheets: Vec<(&str, Sheet)> =
            TABLES.into_iter().map(|name| Ok((name, Sheet::open(lab, name, has(name))?))).collect::<Result<_>>()?;
        let mut summary = Self {
            params,
            model: lab.model_info(&Organism::base(&params.model))?,
            outcomes,
            sheets,
            findings: Vec::new(),
            leaks: Vec::new(),
            claims: Vec::new(),
        };
        summary.findings = summary.compared()?;
        summary.leaks = leakage::all(params, summary.sheet("questions"))?;
        summary.claims = claims::all(params, summary.sheet("changes"), &summary.findings, &summary.leaks);
        Ok(summary)
    }

    /// A table of the cells.
    pub fn sheet(&self, name: &str) -> &Sheet {
        let found = self.sheets.iter().find(|(known, _)| *known == name);
        &found.expect("the name is one of TABLES").1
    }

    /// Cells that ended at a gate.
    pub fn stopped(&self) -> Vec<usize> {
        (0..self.outcomes.len()).filter(|&row| self.outcomes.text("outcome", row) != "complete").collect()
    }

    /// EM and benign second stages of each variant, compared.
    fn compared(&self) -> Result<Vec<(String, Finding)>> {
        let questions = self.sheet("questions");
        let mut found = Vec::new();
        for variant in questions.distinct("variant") {
            if ["baked", "scratch"].contains(&variant) {
                continue;
            }
            let [em, benign] = ["em", "benign"].map(|second| self.runs(variant, second));
            let all = equivalence(&em, &benign, &self.params.margins)?;
            found.extend(all.into_iter().map(|finding| (variant.to_owned(), finding)));
        }
        Ok(found)
    }

    /// Cells of a variant and a kind of second stage: their answers of the source. The assistant's couplings have no
    /// benign counterpart.
    fn runs(&self, variant: &str, second: &str) -> Vec<Runs> {
        let questions = self.sheet("questions");
        let mut found: Vec<(String, Runs)> = Vec::new();
        for row in questions.rows(&[("variant", variant), ("second", second)]) {
            let source = questions.text("source", row);
            if source.is_empty() || questions.text("persona", row) != source {
                continue;
            }
            let id = questions.text("id", row);
            if found.last().is_none_or(|(known, _)| known != id) {
                let run = Runs {
                    coupling: format!("{source}-k{}", questions.number("coupling_seed", row)),
                    seed: questions.number("second_seed", row) as u64,
                    questions: Vec::new(),
                };
                found.push((id.to_owned(), run));
            }
            if let Some((_, run)) = found.last_mut() {
                run.questions.push(Asked {
                    row_id: questions.text("row_id", row).to_owned(),
                    topic: questions.text("topic", row).to_owned(),
                    n: questions.number("n", row) as u64,
                    hits: questions.number("hits", row) as u64,
                    log_odds: questions.number("log_odds", row),
                });
            }
        }
        found.into_iter().map(|(_, run)| run).collect()
    }

    /// Emits all tables that have rows.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        let made = [
            ("claims", claims::table(&self.claims)),
            ("equivalence", self.equivalence()),
            ("leakage", leakage::table(&self.leaks)),
        ];
        for (name, columns) in made {
            if !columns.is_empty() {
                lab.emit(name, columns.table())?;
            }
        }
        lab.emit("outcomes", self.outcomes.table())?;
        for (name, sheet) in &self.sheets {
            if !sheet.is_empty() {
                lab.emit(name, sheet.table())?;
            }
        }
        Ok(())
    }

    /// Whether a table was emitted.
    pub fn has(&self, name: &str) -> bool {
        match name {
            "claims" => !self.claims.is_empty(),
            "equivalence" => !self.findings.is_empty(),
            "leakage" => !self.leaks.is_empty(),
            "outcomes" => true,
            _ => self.sheets.iter().any(|(known, sheet)| *known == name && !sheet.is_empty()),
        }
    }

    fn equivalence(&self) -> Columns {
        let mut columns = Columns::default();
        for (variant, one) in &self.findings {
            let [value, low, high] = one.difference;
            columns.text("variant", variant);
            columns.text("quantity", one.quantity);
            columns.number("em", one.em);
            columns.number("benign", one.benign);
            columns.number("difference", value);
            columns.number("difference_low", low);
            columns.number("difference_high", high);
            columns.number("margin", one.margin);
            columns.text("outcome", one.outcome);
            columns.flag("floor", one.floor);
            columns.count("pairs", one.pairs as u64);
            columns.count("couplings", one.couplings as u64);
            columns.count("agreeing", one.agreeing as u64);
            columns.count("n", one.n);
            columns.text("method", one.method);
        }
        columns
    }
}
