//! From activations to features: coordinates along principal components or random directions, plain or squared.

use emhost_stats::random::random_orthonormal;
use emhost_stats::{Basis as Directions, Matrix, Pca, StatsError};

use crate::params::{Params, Projection};
use crate::source::Input;
use crate::splits::Rounds;
use crate::validate::Design;

/// Which features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Features {
    /// Coordinates along leading principal components.
    Pca(Projection),
    /// Coordinates along as many random orthonormal directions of this seed.
    Random(u64, Projection),
    /// The activations themselves.
    Activations,
    /// Numbers that are features already.
    Given,
}

impl Features {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pca(_) => "pca",
            Self::Random(..) => "random",
            Self::Activations => "activations",
            Self::Given => "given",
        }
    }

    /// Plain or squared, where that is a question.
    pub fn projection(self) -> Option<Projection> {
        match self {
            Self::Pca(projection) | Self::Random(_, projection) => Some(projection),
            Self::Activations | Self::Given => None,
        }
    }
}

/// Principal components of what a basis is fitted on: one for all folds, or one for each.
pub struct Components(Vec<(Pca, usize)>);

impl Components {
    /// Fits them: on the training prompts, or on the training part of every split where there are none. As many as
    /// `components` and the share of variance allow.
    ///
    /// # Errors
    ///
    /// There are fewer than two different rows to fit on.
    pub fn fit(params: &Params, rows: &Matrix, train: Option<&Matrix>, rounds: &Rounds) -> Result<Self, StatsError> {
        let leading = |rows: &Matrix| {
            let pca = Pca::fit(rows)?;
            let k = pca.components_for_variance(params.variance)?.min(params.components);
            Ok((pca, k))
        };
        Ok(Self(match train {
            Some(train) => vec![leading(train)?],
            None => {
                let of = |split: &emhost_stats::splits::Split| leading(&rows.select_rows(&split.train)?);
                rounds.splits.iter().map(of).collect::<Result<_, StatsError>>()?
            }
        }))
    }
}

/// The features of all rows. `components` are those of the same input.
///
/// # Errors
///
/// A number is not finite.
pub fn design(input: &Input, features: Features, components: Option<&Components>) -> Result<Design, StatsError> {
    let (rows, components) = match (input, components) {
        (Input::Given(rows), _) => return Ok(Design(vec![rows.clone()])),
        (Input::Activations { rows, .. }, Some(components)) => (rows, components),
        (Input::Activations { .. }, None) => return Err(StatsError::Empty { what: "components" }),
    };
    let of = |(pca, k): &(Pca, usize)| match features {
        Features::Pca(projection) => project(rows, pca.mean(), &pca.basis(*k)?, projection),
        Features::Random(seed, projection) => {
            project(rows, pca.mean(), &random_orthonormal(rows.cols(), *k, seed)?, projection)
        }
        Features::Activations | Features::Given => Ok(rows.clone()),
    };
    if matches!(features, Features::Activations) {
        return Ok(Design(vec![rows.clone()]));
    }
    Ok(Design(components.0.iter().map(of).collect::<Result<_, StatsError>>()?))
}

/// Coordinates of `rows` around `mean`, or their squares.
///
/// # Errors
///
/// The widths differ, or a square is too large.
pub fn project(
    rows: &Matrix,
    mean: &[f64],
    directions: &Directions,
    projection: Projection,
) -> Result<Matrix, StatsError> {
    let centered = rows.center(mean)?;
    let mut values = Vec::with_capacity(rows.rows() * directions.k());
    for row in centered.iter_rows() {
        values.extend(directions.coordinates(row)?);
    }
    if projection == Projection::Squared {
        values.iter_mut().for_each(|value| *value *= *value);
    }
    Matrix::from_vec(rows.rows(), directions.k(), values)
}
