//! Models from features to the target: fitted on the training part, asked about the test part.

use emhost_stats::regression::{Lasso, RegressionTree, TreeOptions, ridge, ridge_cv};
use emhost_stats::splits::Split;
use emhost_stats::{Matrix, StandardScaler, StatsError};

use crate::params::{Model, Params};

/// Penalties to choose from.
#[derive(Debug, Clone, PartialEq)]
pub struct Penalties {
    /// Of `lasso_cv`.
    pub lasso: Vec<f64>,
    /// Of `ridge_cv`.
    pub ridge: Vec<f64>,
}

impl From<&Params> for Penalties {
    fn from(params: &Params) -> Self {
        Self { lasso: params.lasso_alphas.clone(), ridge: params.ridge_alphas.clone() }
    }
}

/// What a model says of the test part.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// One number for each test row.
    pub values: Vec<f64>,
    /// The penalty, where inner folds chose it.
    pub alpha: Option<f64>,
}

/// Both parts of a split, each column brought to mean 0 and deviation 1 of the training part.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// To fit on.
    pub train: Matrix,
    /// To be asked about.
    pub test: Matrix,
}

impl Parts {
    /// Takes and scales the rows of a split.
    ///
    /// # Errors
    ///
    /// A part is empty or too large to scale.
    pub fn new(rows: &Matrix, split: &Split) -> Result<Self, StatsError> {
        let train = rows.select_rows(&split.train)?;
        let scaler = StandardScaler::fit(&train)?;
        Ok(Self { test: scaler.transform(&rows.select_rows(&split.test)?)?, train: scaler.transform(&train)? })
    }
}

/// Fits a model and asks it. `inner` gives the splits by which penalties are chosen; it is not called where none is.
///
/// # Errors
///
/// A fit does not converge, or the training part is too small.
pub fn fit(
    model: Model,
    parts: &Parts,
    y: &[f64],
    penalties: &Penalties,
    inner: impl FnOnce() -> Result<Vec<Split>, StatsError>,
) -> Result<Prediction, StatsError> {
    let Parts { train, test } = parts;
    let fixed = |values: Vec<f64>| Prediction { values, alpha: None };
    Ok(match model {
        Model::Linear => fixed(ridge(train, y, 0.0)?.predict(test)?),
        Model::Ridge(alpha) => fixed(ridge(train, y, alpha)?.predict(test)?),
        Model::Lasso(alpha) => fixed(lasso(alpha, 1e-10).fit(train, y)?.predict(test)?),
        Model::Tree(max_depth) => {
            let tree = RegressionTree::fit(train, y, TreeOptions { max_depth, min_leaf: 1 })?;
            fixed(tree.predict(test)?)
        }
        Model::RidgeCv => {
            let found = ridge_cv(train, y, &penalties.ridge, &inner()?)?;
            Prediction { values: found.fit.predict(test)?, alpha: Some(found.alpha) }
        }
        Model::LassoCv => {
            let alpha = best_lasso(train, y, &penalties.lasso, &inner()?)?;
            let values = lasso(alpha, 1e-10).fit(train, y)?.predict(test)?;
            Prediction { values, alpha: Some(alpha) }
        }
    })
}

/// Published: up to 200,000 passes.
fn lasso(alpha: f64, tolerance: f64) -> Lasso {
    Lasso { tolerance, max_iterations: 200_000, ..Lasso::new(alpha) }
}

/// The penalty with the smallest mean of the inner folds' mean squared errors, the largest of equals, as
/// `sklearn.linear_model.LassoCV(cv=inner)`.
fn best_lasso(x: &Matrix, y: &[f64], alphas: &[f64], inner: &[Split]) -> Result<f64, StatsError> {
    let mut errors = vec![0.0; alphas.len()];
    for split in inner {
        let (train, test) = (x.select_rows(&split.train)?, x.select_rows(&split.test)?);
        let pick = |rows: &[usize]| rows.iter().map(|&row| y[row]).collect::<Vec<_>>();
        let (train_y, test_y) = (pick(&split.train), pick(&split.test));
        for (error, &alpha) in errors.iter_mut().zip(alphas) {
            // scikit-learn's tolerance: a choice among few penalties needs no more digits.
            let predicted = lasso(alpha, 1e-4).fit(&train, &train_y)?.predict(&test)?;
            let squares: f64 = predicted.iter().zip(&test_y).map(|(p, y)| (p - y).powi(2)).sum();
            *error += squares / test_y.len() as f64;
        }
    }
    let better = |a: &usize, b: &usize| errors[*a].total_cmp(&errors[*b]).then(alphas[*b].total_cmp(&alphas[*a]));
    let best = (0..alphas.len()).min_by(better).ok_or(StatsError::Empty { what: "penalties to choose from" })?;
    Ok(alphas[best])
}
