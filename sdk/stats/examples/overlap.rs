//! The overlap table of study 2 from raw activations: how far evaluation prompts moved along the training prompts' moves.
//!
//! `overlap FOLDER TRAIN EVAL WIDTH DRAWS SITE...` reads `SITE.SPLIT.CONDITION.f32` (row-major little-endian f32) for the
//! splits `train` and `general` and the conditions `before` and `after`, and prints the table as one JSON object. See
//! `tests/peers/subspace_speed.py`, which runs it beside numpy.

use std::collections::BTreeMap;
use std::path::Path;

use emhost_stats::correlation::pearson;
use emhost_stats::overlap::{Coordinates, cosine, principal_angles, row_cosines};
use emhost_stats::random::{Rng, random_orthonormal_from};
use emhost_stats::{Leading, Matrix, Pca};

type Failure = Box<dyn std::error::Error>;
type Table = BTreeMap<String, f64>;

const SHARES: [f64; 3] = [0.80, 0.90, 0.95];
const KS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
const ANGLES: usize = 8;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, train, eval, width, draws, sites @ ..] = arguments.as_slice() else {
        return Err("usage: overlap FOLDER TRAIN EVAL WIDTH DRAWS SITE...".into());
    };
    let (train, eval, width, draws) = (train.parse()?, eval.parse()?, width.parse()?, draws.parse()?);
    let folder = Path::new(folder);
    let (mut table, mut evals, mut most) = (Table::new(), Vec::new(), 1);
    for site in sites {
        let read = |split: &str, rows: usize| -> Result<[Matrix; 2], Failure> {
            let [before, after] = ["before", "after"].map(|condition| {
                let path = folder.join(format!("{site}.{split}.{condition}.f32"));
                Matrix::from_vec(rows, width, values(&path)?).map_err(Failure::from)
            });
            let before = before?;
            let delta = after?.sub(&before)?;
            Ok([before, delta])
        };
        let (found, k) = one_site(&mut table, site, read("train", train)?, read("general", eval)?)?;
        evals.push(found);
        most = most.max(k);
    }
    for draw in 0..draws {
        let basis = random_orthonormal_from(&mut Rng::new(0, draw), width, most)?;
        for rows in &evals {
            let coordinates = Coordinates::new(rows, &vec![0.0; width], &basis)?;
            let mean = (1..=most).map(|k| mean_fraction(&coordinates, k)).collect::<Result<Vec<_>, _>>()?;
            assert!(mean.is_sorted());
        }
    }
    let cells: Vec<String> = table.iter().map(|(name, value)| format!("{name:?}: {value:?}")).collect();
    println!("{{{}}}", cells.join(", "));
    Ok(())
}

/// Measures one site; gives the centred evaluation deltas and the largest number of components.
fn one_site(
    table: &mut Table,
    site: &str,
    [before, delta]: [Matrix; 2],
    [eval_before, eval]: [Matrix; 2],
) -> Result<(Matrix, usize), Failure> {
    let train = Pca::fit_leading(&delta, Leading { k: 128, share: 0.95 })?;
    let mut specs = KS.map(|k| (format!("k={k}"), k)).to_vec();
    for share in SHARES {
        specs.push((format!("variance:{share}"), train.components_for_variance(share)?));
    }
    let most = specs.iter().map(|&(_, k)| k).max().unwrap_or(1);
    let own = Coordinates::new(&delta, train.mean(), &train.basis(most)?)?;
    drop(delta);
    let context = Pca::fit_leading(&before, Leading { k: most, share: 0.95 })?;
    drop(before);
    let ours = Coordinates::new(&eval, train.mean(), &train.basis(most)?)?;
    let there = Coordinates::new(&eval, train.mean(), &context.basis(most)?)?;
    let n = eval.rows() as f64;
    for (name, k) in specs {
        let (mut mahalanobis, mut rebuilt) = (0.0, 0.0);
        for row in 0..eval.rows() {
            mahalanobis += ours.mahalanobis(row, k, train.variances())? / n;
            rebuilt += ours.reconstruction_cosine(row, k)? / n;
        }
        let rows = ours.row_overlaps(k)?;
        let values = [
            ("k", k as f64),
            ("fraction", mean_fraction(&ours, k)?),
            ("squared_fraction", rows.iter().map(|row| row.squared_fraction()).sum::<f64>() / n),
            ("explained_l2", rows.iter().map(|row| row.explained_l2().unwrap_or(f64::NAN)).sum::<f64>() / n),
            ("mahalanobis", mahalanobis),
            ("reconstruction_cosine", rebuilt),
            ("train_fraction", mean_fraction(&own, k)?),
            ("before_fraction", mean_fraction(&there, k)?),
        ];
        table.extend(values.map(|(measure, value)| (format!("{site} {name} {measure}"), value)));
    }
    let moved = Pca::fit_leading(&eval, Leading { k: ANGLES, share: 0.0 })?;
    let angles = principal_angles(&train.basis(ANGLES)?, &moved.basis(ANGLES)?)?;
    let ascending = angles.iter().rev().enumerate();
    table.extend(ascending.map(|(at, angle)| (format!("{site} angle {}", at + 1), angle.to_degrees())));
    let prompt_k = context.components_for_variance(0.95)?;
    let prompts = Coordinates::new(&eval_before, context.mean(), &context.basis(prompt_k)?)?.row_overlaps(prompt_k)?;
    let like: Vec<f64> = prompts.iter().map(|row| row.fraction()).collect();
    table.insert(format!("{site} prompt_k"), prompt_k as f64);
    table.insert(format!("{site} prompt_overlap"), like.iter().sum::<f64>() / n);
    table.insert(format!("{site} pearson"), pearson(&like, &row_cosines(&eval, train.mean())?)?.r);
    table.insert(format!("{site} mean cosine"), cosine(&eval.mean_row(), train.mean())?);
    Ok((eval.center(train.mean())?, most))
}

fn mean_fraction(coordinates: &Coordinates, k: usize) -> Result<f64, Failure> {
    Ok(coordinates.row_overlaps(k)?.iter().map(|row| row.fraction()).sum::<f64>() / coordinates.rows() as f64)
}

fn values(path: &Path) -> Result<Vec<f64>, Failure> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect())
}
