//! Cosines between directions, one matrix for those that can be compared.

use std::collections::BTreeMap;

use emhost_stats::overlap::cosine;

use super::error::VectorError;
use super::layers::point;
use super::stored::Labelled;
use crate::model::site::Site;

/// What shares a matrix. By default: directions of one site, all of which must have the same width.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Grouping {
    /// Directions of different sites share a matrix.
    pub across_sites: bool,
    /// Directions of other widths have a matrix of their own, instead of being an error.
    pub by_width: bool,
}

/// Cosines of some directions with each other.
#[derive(Debug, Clone, PartialEq)]
pub struct CosineMatrix {
    /// The site that all share: `blocks.3.resid_post` also for those at `blocks.4.resid_pre`, which is the same point.
    /// None where sites are mixed, or unknown.
    pub site: Option<String>,
    /// Numbers per direction.
    pub width: usize,
    /// Places of the directions in the list that was compared.
    pub members: Vec<usize>,
    /// Symmetric, `[members, members]`, from f64 sums; 1 on the diagonal.
    pub cosines: Vec<Vec<f64>>,
}

impl CosineMatrix {
    /// Standard deviation of the cosine of two independent directions of this width whose numbers are normal with one
    /// variance: `1 / sqrt(width)`; their mean is 0.
    pub fn random_deviation(&self) -> f64 {
        1.0 / (self.width as f64).sqrt()
    }
}

/// Cosines of all directions that `grouping` puts together, sites in forward order and unknown ones last.
///
/// Zero vectors have no cosine and are an error, as are different widths in one matrix.
pub fn cosine_matrices(all: &[Labelled], grouping: Grouping) -> Result<Vec<CosineMatrix>, VectorError> {
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, Labelled { label, named, .. }) in all.iter().enumerate() {
        let direction = &named.direction;
        if direction.values.iter().all(|v| *v == 0.0) {
            return Err(VectorError::Zero { name: label.clone() });
        }
        let site = direction.site.as_deref().filter(|_| !grouping.across_sites);
        let point = site.and_then(point);
        // A text that names no site is a site of its own.
        let other = site.filter(|_| point.is_none());
        let width = grouping.by_width.then_some(direction.values.len());
        groups.entry((point.is_none(), point, other.is_none(), other, width)).or_default().push(at);
    }
    let site = |point: Option<Site>, other: Option<&str>| point.map(|p| p.to_string()).or(other.map(str::to_owned));
    let all_of = |((_, point, _, other, _), members)| matrix(all, site(point, other), members);
    groups.into_iter().map(all_of).collect()
}

fn matrix(all: &[Labelled], site: Option<String>, members: Vec<usize>) -> Result<CosineMatrix, VectorError> {
    let labels: Vec<&str> = members.iter().map(|at| all[*at].label.as_str()).collect();
    let wide: Vec<Vec<f64>> =
        members.iter().map(|at| all[*at].named.direction.values.iter().map(|v| f64::from(*v)).collect()).collect();
    let failed = |row: usize, column: usize, problem: String| VectorError::Compare {
        first: labels[row].to_owned(),
        second: labels[column].to_owned(),
        problem,
    };
    let width = wide[0].len();
    if let Some(other) = wide.iter().position(|values| values.len() != width) {
        let problem =
            format!("one has {width} numbers, the other {}; they are of different models or sites", wide[other].len());
        return Err(failed(0, other, problem));
    }
    let mut cosines = vec![vec![1.0; members.len()]; members.len()];
    for row in 0..members.len() {
        for column in row + 1..members.len() {
            let found = cosine(&wide[row], &wide[column]).map_err(|e| failed(row, column, e.to_string()))?;
            cosines[row][column] = found;
            cosines[column][row] = found;
        }
    }
    Ok(CosineMatrix { site, width, members, cosines })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::{Direction, Named};

    fn directions(all: &[(&str, Option<&str>, &[f32])]) -> Vec<Labelled> {
        let labelled = |(name, site, values): &(&str, Option<&str>, &[f32])| {
            let direction = Direction { site: site.map(str::to_owned), ..Direction::new(values.to_vec(), "") };
            let named = Named { name: (*name).to_owned(), direction };
            Labelled { label: (*name).to_owned(), file: "f".to_owned(), named }
        };
        all.iter().map(labelled).collect()
    }

    /// Site, members and cosine of the first two of each matrix.
    fn found(all: &[Labelled], grouping: Grouping) -> Vec<(Option<String>, Vec<usize>, Option<f64>)> {
        let matrices = cosine_matrices(all, grouping).unwrap();
        let row = |m: CosineMatrix| (m.site, m.members, m.cosines[0].get(1).copied());
        matrices.into_iter().map(row).collect()
    }

    const POST: Option<&str> = Some("blocks.3.resid_post");

    #[test]
    fn planted_cosines_come_back() {
        let all = directions(&[
            ("x", POST, &[2.0, 0.0, 0.0]),
            ("y", POST, &[3.0, 4.0, 0.0]),
            ("z", POST, &[0.0, 0.0, 1e-20]),
            ("back", POST, &[-1.0, 0.0, 0.0]),
        ]);
        let found = cosine_matrices(&all, Grouping::default()).unwrap();
        let expected = [[1.0, 0.6, 0.0, -1.0], [0.6, 1.0, 0.0, -0.6], [0.0, 0.0, 1.0, 0.0], [-1.0, -0.6, 0.0, 1.0]];
        assert_eq!(found.len(), 1);
        for (row, expected) in found[0].cosines.iter().zip(expected) {
            // Rounding of two norms and a quotient in f64.
            row.iter().zip(expected).for_each(|(got, want)| assert!((got - want).abs() < 1e-15, "{got} {want}"));
        }
        assert!((found[0].random_deviation() - 1.0 / 3f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn directions_of_one_point_share_a_matrix_in_forward_order() {
        let all = directions(&[
            ("unknown", None, &[1.0, 0.0]),
            ("late", Some("blocks.10.resid_post"), &[1.0, 1.0]),
            ("out", POST, &[1.0, 0.0]),
            ("in", Some("blocks.4.resid_pre"), &[0.0, 1.0]),
            ("odd", Some("somewhere"), &[0.0, 1.0]),
        ]);
        let site = |site: &str| Some(site.to_owned());
        let expected = vec![
            (site("blocks.3.resid_post"), vec![2, 3], Some(0.0)),
            (site("blocks.10.resid_post"), vec![1], None),
            (site("somewhere"), vec![4], None),
            (None, vec![0], None),
        ];
        assert_eq!(found(&all, Grouping::default()), expected);
        let mixed = found(&all, Grouping { across_sites: true, by_width: false });
        assert_eq!((mixed.len(), &mixed[0].0, mixed[0].1.len()), (1, &None, 5));
    }

    #[test]
    fn other_widths_are_an_error_or_another_matrix() {
        let all =
            directions(&[("two", POST, &[1.0, 0.0]), ("three", POST, &[1.0, 0.0, 0.0]), ("too", POST, &[0.0, 1.0])]);
        let said = cosine_matrices(&all, Grouping::default()).unwrap_err();
        assert_eq!(said.exit_code(), 2);
        let said = said.to_string();
        assert!(said.contains("`two` with `three`") && said.contains("2 numbers, the other 3"), "{said}");
        let apart = found(&all, Grouping { across_sites: false, by_width: true });
        assert_eq!(apart.into_iter().map(|(_, members, _)| members).collect::<Vec<_>>(), [vec![0, 2], vec![1]]);
    }

    #[test]
    fn a_vector_of_zeros_is_named() {
        let all = directions(&[("x", POST, &[1.0]), ("nothing", POST, &[0.0])]);
        let said = cosine_matrices(&all, Grouping::default()).unwrap_err().to_string();
        assert!(said.contains("`nothing`"), "{said}");
    }
}
