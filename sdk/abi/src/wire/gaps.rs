//! Numbers with gaps: JSON has no NaN, so a NaN crosses as `null`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes NaN as `null`.
pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(known))
}

/// Reads `null` as NaN.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    Ok(filled(Vec::deserialize(deserializer)?))
}

fn known(value: &f64) -> Option<f64> {
    (!value.is_nan()).then_some(*value)
}

fn filled(values: Vec<Option<f64>>) -> Vec<f64> {
    values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect()
}

/// The same for a matrix.
pub mod rows {
    use super::{Deserialize, Deserializer, Serialize, Serializer, filled, known};

    /// Writes NaN as `null`.
    pub fn serialize<S: Serializer>(rows: &[Vec<f64>], serializer: S) -> Result<S::Ok, S::Error> {
        rows.iter().map(|row| row.iter().map(known).collect()).collect::<Vec<Vec<_>>>().serialize(serializer)
    }

    /// Reads `null` as NaN.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f64>>, D::Error> {
        Ok(Vec::<Vec<Option<f64>>>::deserialize(deserializer)?.into_iter().map(filled).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::{Line, Plot};

    #[test]
    fn a_gap_survives_the_crossing() {
        let line = Line { x: vec![0.0, 1.0], y: vec![f64::NAN, 2.0], ..Line::default() };
        let values = vec![vec![1.0, f64::NAN]];
        let heatmap = Plot::Heatmap { rows: vec![], columns: vec![], values, diverging: false };
        for plot in [Plot::Lines(vec![line]), heatmap] {
            let text = serde_json::to_string(&plot).unwrap();
            let back: Plot = serde_json::from_str(&text).unwrap();
            assert_eq!(format!("{plot:?}"), format!("{back:?}"), "{text}");
        }
    }
}
