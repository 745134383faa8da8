//! What the reader knows about a file beside its bytes, and how layer numbers become sites.

use serde_json::Value;

use super::direction::{Direction, Named};
use super::error::{Problem, VectorError};
use super::layers::{Convention, Part, Pooling, site};

/// What is known beforehand. By default nothing: the file's layout decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Whose layer numbers the file uses, where the layout alone does not tell.
    pub from: Option<Convention>,
    /// How many blocks the model has, where the layout alone does not tell.
    pub blocks: Option<usize>,
}

impl Reading {
    /// The site of a numbered layer. Without a number of blocks none is the last one, which matters only where the
    /// last number has a meaning of its own.
    pub(super) fn site(self, convention: Convention, layer: usize, part: Part) -> Result<String, VectorError> {
        let ends_in_norm = matches!(convention, Convention::PersonaVectors | Convention::EmGeneralization);
        let blocks = match self.blocks {
            None if ends_in_norm => {
                let problem =
                    "its last layer is behind the final norm; say how many blocks the model has (--blocks)".to_owned();
                return Err(VectorError::Layer { layer, convention: convention.name(), problem });
            }
            blocks => blocks.unwrap_or(usize::MAX),
        };
        site(convention, layer, part, blocks)
    }

    /// The rows of `[layers, width]`, at least one, as directions of the layers from 0.
    pub(super) fn rows(
        self,
        prefix: &str,
        rows: &[Vec<f32>],
        convention: Convention,
        base: &Direction,
    ) -> Result<Vec<Named>, Problem> {
        let blocks = match convention {
            Convention::PersonaVectors => rows.len() - 1,
            Convention::MeanDifference | Convention::RefusalDirection => rows.len(),
            _ => {
                return Err(Problem::new(
                    "a file of convention mo, pv or rd, which have `[layers, width]`",
                    format!("`[{}, {}]`, said to be {}", rows.len(), rows[0].len(), convention.name()),
                    "this convention has no such file",
                ));
            }
        };
        if self.blocks.is_some_and(|given| given != blocks) {
            return Err(Problem::new(
                format!("the layers of {} blocks", self.blocks.unwrap_or_default()),
                format!("{} rows, which are {blocks} blocks for convention `{}`", rows.len(), convention.name()),
                "check the number of blocks and whose file it is",
            ));
        }
        let mut all = Vec::with_capacity(rows.len());
        for (layer, values) in rows.iter().enumerate() {
            let place = site(convention, layer, Part::Residual, blocks)?;
            let mut direction = base.clone();
            direction.values.clone_from(values);
            direction.site = Some(place);
            all.push(Named {
                name: format!("{prefix}layer_{layer}"),
                direction: numbered(direction, convention, layer),
            });
        }
        Ok(all)
    }
}

/// A direction with the number that its file gives it, and its norm.
pub(super) fn numbered(direction: Direction, convention: Convention, layer: usize) -> Direction {
    let norm = direction.norm();
    direction.with("convention", convention.name()).with("layer", layer).with("norm", norm)
}

/// A direction that is still without a site: the origin that all directions of a file share.
pub(super) fn origin(format: &str, file: &str) -> Direction {
    let empty = Direction { values: Vec::new(), site: None, provenance: Default::default() };
    empty.with("format", format).with("file", file)
}

/// Adds the pooling where it is known.
pub(super) fn pooled(direction: Direction, pooling: Option<Pooling>) -> Direction {
    match pooling {
        Some(pooling) => direction.with("pooling", Value::from(pooling.name())),
        None => direction,
    }
}
