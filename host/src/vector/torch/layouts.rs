//! Which project wrote a torch file, and where its vectors belong.

use std::path::Path;

use serde::Deserialize;

use super::super::direction::{Direction, Named};
use super::super::error::Problem;
use super::super::layers::{Convention, Part, Pooling};
use super::super::reading::{Reading, numbered, origin, pooled};
use super::archive::Archive;
use super::tensor::Tensor;
use super::value::{Pickled, Value};

/// Where the tensor of one name belongs, before its numbers are read.
struct Entry<'a> {
    name: String,
    value: &'a Value,
    layer: Option<usize>,
    pooling: Option<Pooling>,
}

struct File<'a, 'b> {
    archive: &'a mut Archive<'b>,
    pickled: &'a Pickled,
    path: &'a Path,
    name: &'a str,
    reading: Reading,
}

/// The directions of a file, by its layout.
pub fn named(
    archive: &mut Archive<'_>,
    pickled: &Pickled,
    path: &Path,
    name: &str,
    reading: Reading,
) -> Result<Vec<Named>, Problem> {
    let root = &pickled.root;
    let mut file = File { archive, pickled, path, name, reading };
    if let Value::Tensor(tensor) = root {
        return file.tensor(tensor);
    }
    let Some(pairs) = pickled.dict(root).filter(|pairs| !pairs.is_empty()) else { return Err(file.unknown()) };
    if pickled.get(root, "steering_vector").is_some() {
        file.steering(root)
    } else if let Some(layers) = pickled.get(root, "layer_activations") {
        file.steering_vectors(root, layers)
    } else if pairs.iter().all(|(key, _)| matches!(key, Value::Int(_))) {
        file.by_number(pairs)
    } else {
        file.mean_difference(root, pairs)
    }
}

impl File<'_, '_> {
    /// One tensor: a persona vector, or a refusal direction or its candidates.
    fn tensor(&mut self, tensor: &Tensor) -> Result<Vec<Named>, Problem> {
        match *tensor.shape.as_slice() {
            [width] if width > 0 => self.refusal_direction(tensor),
            [layers, width] if layers > 1 && width > 0 => {
                let convention = self.reading.from.unwrap_or(Convention::PersonaVectors);
                let rows = self.rows(tensor, width)?;
                let pooling = match convention {
                    Convention::PersonaVectors => persona_pooling(self.name),
                    _ => None,
                };
                let format = format!("torch [layers, width] ({})", convention.name());
                self.reading.rows("", &rows, convention, &pooled(origin(&format, self.name), pooling))
            }
            [positions, layers, width] if positions > 0 && layers > 1 && width > 0 => {
                let convention = self.reading.from.unwrap_or(Convention::RefusalDirection);
                let rows = self.rows(tensor, width)?;
                let mut all = Vec::new();
                for (index, rows) in rows.chunks(layers).enumerate() {
                    // Positions count from the end of the template: the last is -1.
                    let position = index as i64 - positions as i64;
                    let base = origin("torch [positions, layers, width]", self.name).with("pos", position);
                    let base = pooled(base, Some(Pooling::TemplateToken));
                    all.extend(self.reading.rows(&format!("pos_{position}."), rows, convention, &base)?);
                }
                Ok(all)
            }
            _ => Err(self.unknown()),
        }
    }

    fn rows(&mut self, tensor: &Tensor, width: usize) -> Result<Vec<Vec<f32>>, Problem> {
        Ok(self.archive.values(tensor)?.chunks(width).map(<[f32]>::to_vec).collect())
    }

    /// `direction.pt`, whose layer stands in `direction_metadata.json` beside it.
    fn refusal_direction(&mut self, tensor: &Tensor) -> Result<Vec<Named>, Problem> {
        #[derive(Deserialize)]
        struct About {
            pos: i64,
            layer: usize,
        }
        let values = self.archive.values(tensor)?;
        let direction = Direction { values, ..origin("torch [width]", self.name) };
        let about = self.path.with_file_name("direction_metadata.json");
        let direction = match std::fs::read(&about) {
            Ok(text) => {
                let About { pos, layer } = serde_json::from_slice(&text).map_err(|e| {
                    let expected = format!("`{}` with pos and layer", about.display());
                    Problem::new(
                        expected,
                        e.to_string(),
                        "correct it, or move it away to read the vector without a site",
                    )
                })?;
                let site = self.reading.site(Convention::RefusalDirection, layer, Part::Residual)?;
                let direction = Direction { site: Some(site), ..direction }.with("pos", pos);
                numbered(pooled(direction, Some(Pooling::TemplateToken)), Convention::RefusalDirection, layer)
            }
            Err(_) if self.reading.from.is_some() => {
                let hint = "put it there, or read the vector without --from: it then has no site";
                return Err(Problem::new(format!("a layer, in `{}`", about.display()), "no such file", hint));
            }
            Err(_) => {
                let norm = direction.norm();
                direction.with("norm", norm)
            }
        };
        Ok(vec![Named { name: "direction".to_owned(), direction }])
    }

    /// `{steering_vector, layer_idx, alpha}`: what MO trains and adds to the output of a block's `down_proj`.
    fn steering(&mut self, root: &Value) -> Result<Vec<Named>, Problem> {
        let get = |key| self.pickled.get(root, key);
        let (vector, layer, alpha) = (get("steering_vector"), get("layer_idx"), get("alpha"));
        let Some((vector, layer)) = vector.zip(layer.and_then(whole)) else { return Err(self.unknown()) };
        let values = self.vector("steering_vector", vector)?;
        let site = self.reading.site(Convention::MeanDifference, layer, Part::Mlp)?;
        let direction = Direction { values, site: Some(site), ..origin("torch trained steering vector", self.name) };
        let direction = match alpha {
            Some(Value::Int(alpha)) => direction.with("alpha", *alpha),
            Some(Value::Float(alpha)) => direction.with("alpha", *alpha),
            _ => direction,
        };
        let direction = numbered(direction, Convention::MeanDifference, layer);
        Ok(vec![Named { name: "steering_vector".to_owned(), direction }])
    }

    /// `{question: {layer_i: vector}, answer: {..}}`, or one such inner dict.
    fn mean_difference(&mut self, root: &Value, pairs: &[(Value, Value)]) -> Result<Vec<Named>, Problem> {
        let mut entries = Vec::new();
        for (part, pooling) in [("question", None), ("answer", Some(Pooling::AnswerTokenMean))] {
            if let Some(inner) = self.pickled.get(root, part).and_then(|inner| self.pickled.dict(inner)) {
                self.layers(&format!("{part}."), inner, pooling, &mut entries)?;
            }
        }
        if entries.is_empty() {
            self.layers("", pairs, None, &mut entries)?;
        }
        let convention = self.reading.from.unwrap_or(Convention::MeanDifference);
        self.directions(entries, Some((convention, Part::Residual)), "torch {layer_i: [width]}")
    }

    /// `{layer_activations: {i: vector}, layer_type}`, the fields of a `SteeringVector` of steering-vectors.
    fn steering_vectors(&mut self, root: &Value, layers: &Value) -> Result<Vec<Named>, Problem> {
        let part = match self.pickled.get(root, "layer_type") {
            Some(Value::Text(kind)) if **kind == *"decoder_block" => Part::Residual,
            Some(Value::Text(kind)) if **kind == *"self_attn" => Part::Attention,
            Some(Value::Text(kind)) if **kind == *"mlp" => Part::Mlp,
            other => {
                let found = other.map_or("none".to_owned(), |kind| self.pickled.describe(kind));
                let hint = "other layer types have no site here";
                return Err(Problem::new("layer_type decoder_block, self_attn or mlp", found, hint));
            }
        };
        let Some(pairs) = self.pickled.dict(layers) else { return Err(self.unknown()) };
        let entries = self.numbers(pairs)?;
        // Its hooks are on block i's module of that type, i from 0, as MO's are.
        self.directions(entries, Some((Convention::MeanDifference, part)), "torch steering-vectors")
    }

    /// `{i: vector}`: a number alone does not say whose it is.
    fn by_number(&mut self, pairs: &[(Value, Value)]) -> Result<Vec<Named>, Problem> {
        let entries = self.numbers(pairs)?;
        let place = self.reading.from.map(|convention| (convention, Part::Residual));
        self.directions(entries, place, "torch {i: [width]}")
    }

    fn numbers<'a>(&self, pairs: &'a [(Value, Value)]) -> Result<Vec<Entry<'a>>, Problem> {
        let entry = |(key, value): &'a (Value, Value)| match whole(key) {
            Some(layer) => Ok(Entry { name: format!("layer_{layer}"), value, layer: Some(layer), pooling: None }),
            None => Err(self.unknown()),
        };
        pairs.iter().map(entry).collect()
    }

    fn layers<'a>(
        &self,
        prefix: &str,
        pairs: &'a [(Value, Value)],
        pooling: Option<Pooling>,
        entries: &mut Vec<Entry<'a>>,
    ) -> Result<(), Problem> {
        for (key, value) in pairs {
            let Value::Text(text) = key else { return Err(self.unknown()) };
            let number = text.strip_prefix("layer_").and_then(|number| number.parse().ok());
            let Some(layer) = number else { return Err(self.unknown()) };
            entries.push(Entry { name: format!("{prefix}layer_{layer}"), value, layer: Some(layer), pooling });
        }
        Ok(())
    }

    fn directions(
        &mut self,
        entries: Vec<Entry<'_>>,
        place: Option<(Convention, Part)>,
        format: &str,
    ) -> Result<Vec<Named>, Problem> {
        let mut all: Vec<Named> = Vec::with_capacity(entries.len());
        for Entry { name, value, layer, pooling } in entries {
            let values = self.vector(&name, value)?;
            let direction = pooled(Direction { values, ..origin(format, self.name) }, pooling);
            let direction = match (place, layer) {
                (Some((convention, part)), Some(layer)) => {
                    let site = self.reading.site(convention, layer, part)?;
                    numbered(Direction { site: Some(site), ..direction }, convention, layer)
                }
                _ => {
                    let norm = direction.norm();
                    direction.with("norm", norm)
                }
            };
            all.push(Named { name, direction });
        }
        Ok(all)
    }

    fn vector(&mut self, name: &str, value: &Value) -> Result<Vec<f32>, Problem> {
        match value {
            Value::Tensor(tensor) if tensor.shape.len() == 1 => self.archive.values(tensor),
            other => Err(Problem::new(
                format!("`{name}` as a tensor [width]"),
                self.pickled.describe(other),
                "save one vector per layer",
            )),
        }
    }

    fn unknown(&self) -> Problem {
        Problem::new(
            "a tensor [layers + 1, width] (persona vectors), [width] or [positions, layers, width] (refusal direction), \
             or a dict {question|answer: {layer_i: [width]}}, {steering_vector, layer_idx, alpha}, \
             {layer_activations, layer_type} or {i: [width]}",
            self.pickled.describe(&self.pickled.root),
            "save the vectors in one of these forms, or as safetensors with one tensor [width] each",
        )
    }
}

fn whole(value: &Value) -> Option<usize> {
    match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// Persona vectors say the pooling in the file's name: `evil_response_avg_diff.pt`.
fn persona_pooling(file: &str) -> Option<Pooling> {
    let words = [
        ("response_avg_diff", Pooling::MeanOfAnswerMeans),
        ("prompt_avg_diff", Pooling::PromptMean),
        ("prompt_last_diff", Pooling::LastPromptToken),
    ];
    words.into_iter().find(|(word, _)| file.contains(word)).map(|(_, pooling)| pooling)
}
