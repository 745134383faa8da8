//! The figures of fine-tunes that were followed from checkpoint to checkpoint.

use emhost_sdk::prelude::*;

use crate::params::Phase;
use crate::summary::{Followed, Summary};

/// All figures of followed fine-tunes for which there is a number.
///
/// # Errors
///
/// A table of the cells lacks a column.
pub fn all(summary: &Summary<'_>) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let Some(followed) = &summary.followed else { return Ok(figures) };
    for phase in &summary.params.phase {
        figures.push(rates(followed, phase, "misaligned", "When do answers become misaligned?")?);
        figures.push(rates(followed, phase, "coherent", "When do answers stop making sense?")?);
        figures.push(gradients(followed, phase)?);
        figures.push(norms(followed, phase, "norms", &[("A", "a_norm"), ("B", "b_norm")])?);
        figures.push(norms(followed, phase, "update", &[("scale B A", "update_norm")])?);
        figures.push(path(followed, phase)?);
        figures.push(rotation(followed, phase)?);
    }
    let drawn = |figure: &Figure| !matches!(&figure.plot, Plot::Lines(lines) if lines.is_empty());
    figures.retain(drawn);
    Ok(figures)
}

/// Rows of a table that are about the phase's organism and for which `keep` holds.
struct Rows<'a> {
    table: &'a Table,
    kept: Vec<usize>,
}

impl<'a> Rows<'a> {
    fn of(table: &'a Table, phase: &Phase) -> Result<Self> {
        let organisms = table.text("organism")?;
        let kept = (0..table.rows()).filter(|&at| organisms[at] == phase.organism).collect();
        Ok(Self { table, kept })
    }

    fn only(mut self, column: &str, value: f64) -> Result<Self> {
        let all = self.table.f64(column)?;
        self.kept.retain(|&at| all[at] == value);
        Ok(self)
    }

    fn numbers(&self, column: &str) -> Result<Vec<f64>> {
        let all = self.table.f64(column)?;
        Ok(self.kept.iter().map(|&at| all[at]).collect())
    }

    /// One column over another; none where nothing in it is known.
    fn line(&self, label: String, x: &str, y: &str, band: Option<[&str; 2]>) -> Result<Option<Line>> {
        let mut line = Line { label, x: self.numbers(x)?, y: self.numbers(y)?, ..Line::default() };
        if let Some([low, high]) = band {
            (line.low, line.high) = (self.numbers(low)?, self.numbers(high)?);
        }
        Ok(line.y.iter().any(|value| value.is_finite()).then_some(line))
    }
}

fn figure(name: &str, phase: &Phase, title: String, caption: String, axes: [Axis; 2], lines: Vec<Line>) -> Figure {
    let [x, y] = axes;
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' };
    let organism: String = phase.organism.chars().map(plain).collect();
    Figure { name: format!("phase_{name}_{organism}"), title, caption, x, y, plot: Plot::Lines(lines) }
}

fn steps() -> Axis {
    Axis::linear("steps of the fine-tune")
}

fn rates(followed: &Followed, phase: &Phase, what: &str, title: &str) -> Result<Figure> {
    let mut lines = Vec::new();
    let [rate, low, high] = ["rate", "low", "high"].map(|part| format!("{what}_{part}"));
    for &scale in &phase.scales {
        let rows = Rows::of(&followed.behaviour, phase)?.only("scale", scale)?;
        lines.extend(rows.line(format!("adapter times {scale}"), "step", &rate, Some([&low, &high]))?);
    }
    let caption = format!(
        "{}: answers to the general questions at checkpoints, {} to each question, the adapter's update multiplied by \
         each scale. Bands: 95 % over topics. Step 0 is the model itself, asked once for all scales: the control.",
        phase.organism, phase.samples
    );
    let axes = [steps(), Axis::linear(format!("{what} answers (share of all)")).range(0.0, 1.0)];
    Ok(figure(what, phase, title.to_owned(), caption, axes, lines))
}

fn gradients(followed: &Followed, phase: &Phase) -> Result<Figure> {
    let rows = Rows::of(&followed.steps, phase)?;
    let lines = rows.line("gradient norm".to_owned(), "step", "gradient_norm", None)?;
    let caption = format!(
        "{}: norm of the whole gradient of each step before clipping. The published phase transition has a peak here.",
        phase.organism
    );
    let axes = [steps(), Axis::linear("gradient norm")];
    let title = "Is there a peak of the gradient norm?".to_owned();
    Ok(figure("gradient", phase, title, caption, axes, lines.into_iter().collect()))
}

fn norms(followed: &Followed, phase: &Phase, name: &str, columns: &[(&str, &str)]) -> Result<Figure> {
    let rows = Rows::of(&followed.geometry, phase)?;
    let mut lines = Vec::new();
    for (label, column) in columns {
        lines.extend(rows.line((*label).to_owned(), "step", column, None)?);
    }
    let caption = format!(
        "{}: Frobenius norms of {} at {} of block {}. Norms of the whole adapter are in the table `phase_geometry`.",
        phase.organism,
        columns.iter().map(|(label, _)| *label).collect::<Vec<_>>().join(" and "),
        phase.module,
        phase.block
    );
    let title = "How large does the adapter become?".to_owned();
    Ok(figure(name, phase, title, caption, [steps(), Axis::linear("Frobenius norm")], lines))
}

fn path(followed: &Followed, phase: &Phase) -> Result<Figure> {
    let rows = Rows::of(&followed.geometry, phase)?;
    let share = |column: &str| rows.numbers(column).map(|all| all.first().map_or(f64::NAN, |share| 100.0 * share));
    let (first, second) = (share("pc1_share")?, share("pc2_share")?);
    let lines = rows.line("B over time".to_owned(), "pc1", "pc2", None)?;
    let named = |number: usize, share: f64| Axis::linear(format!("component {number} ({share:.0} % of the variance)"));
    let caption = format!(
        "{}: B of {} of block {} at each checkpoint, in the plane of its first two principal components over time. The \
         line begins at step 0. A smooth arc is what any path of growing length gives; a corner is a turn.",
        phase.organism, phase.module, phase.block
    );
    let title = "Which way does B go?".to_owned();
    Ok(figure("path", phase, title, caption, [named(1, first), named(2, second)], lines.into_iter().collect()))
}

fn rotation(followed: &Followed, phase: &Phase) -> Result<Figure> {
    let mut lines = Vec::new();
    for &k in &phase.local_k {
        let rows = Rows::of(&followed.rotation, phase)?.only("k", k as f64)?;
        lines.extend(rows.line(format!("k = {k}"), "step", "cosine", None)?);
    }
    let caption = format!(
        "{}: cosine of B(t) - B(t-k) and B(t+k) - B(t), B of {} of block {}, k in checkpoints of {} steps. 1 goes straight \
         on, 0 is a right angle. Missing where a side has fewer than k checkpoints or is shorter than {}.",
        phase.organism, phase.module, phase.block, phase.every, phase.shortest
    );
    let axes = [steps(), Axis::linear("local cosine").range(-1.0, 1.0)];
    Ok(figure("rotation", phase, "Does B turn?".to_owned(), caption, axes, lines))
}
