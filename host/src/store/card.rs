//! `README.md`: the dataset card whose header makes `datasets.load_dataset(FOLDER)` work.

use std::fmt::Write;

use serde_json::Value;

use super::manifest::{Part, PartEntry};

/// The file name in a dataset's folder.
pub(crate) const CARD: &str = "README.md";

/// What a dataset says about itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Card {
    /// Heading of the card; the folder's name if empty.
    pub title: String,
    /// One paragraph: what was run over what, for whom.
    pub about: String,
    /// Digests of model, tokenizer, template, adapter and prompts, sites, pooling, numerics, seed, versions.
    pub provenance: Value,
}

impl Card {
    pub(crate) fn render(&self, title: &str, parts: &[PartEntry]) -> String {
        let mut text = String::from("---\nconfigs:\n");
        for part in parts {
            let name = part.part.name();
            let _ = write!(text, "- config_name: {name}\n  data_files: {name}-*.parquet\n");
            if part.part == default_part(parts) {
                text.push_str("  default: true\n");
            }
        }
        let title = if self.title.is_empty() { title } else { &self.title };
        let _ = write!(text, "tags:\n- activations\n- emhost\n---\n\n# {title}\n\n{}\n", self.about.trim());
        for part in parts {
            let _ = write!(text, "\n## `{}`: {} rows\n\n", part.part.name(), part.rows);
            text.push_str("| column | type | width |\n|---|---|---|\n");
            for column in &part.columns {
                let width = column.width.map(|w| w.to_string()).unwrap_or_default();
                let _ = writeln!(text, "| `{}` | {} | {width} |", column.name, column.r#type);
            }
        }
        let name = default_part(parts).name();
        let _ = write!(
            text,
            "\n## Reading\n\n```python\nimport datasets, pandas, polars\n\
             datasets.load_dataset(FOLDER, \"{name}\")\n\
             polars.read_parquet(f\"{{FOLDER}}/{name}-*.parquet\")\n\
             pandas.read_parquet(f\"{{FOLDER}}/{name}-00000.parquet\")\n```\n\n\
             `emhost data verify FOLDER` checks every byte against `manifest.json`; Parquet readers do not.\n"
        );
        let provenance = serde_json::to_string_pretty(&self.provenance).unwrap_or_default();
        let _ = write!(text, "\n## Provenance\n\n```json\n{provenance}\n```\n");
        text
    }
}

fn default_part(parts: &[PartEntry]) -> Part {
    parts.iter().map(|p| p.part).max().unwrap_or(Part::Acts)
}
