//! `emhost adapter`: what is in an adapter, and new ones from it.

use std::path::{Path, PathBuf};

use super::args::CliError;
use super::terminal::{print, table};
use crate::model::adapter::{Adapter, Merge, Selection, merge};
use crate::model::config::{Config, Family};
use crate::model::files::Files;
use crate::model::intervene::read_vector;
use crate::model::{Device, ModelError};
use crate::store::{build_new_folder, publish_new_folder};

/// Look into LoRA adapters, change them, and merge them into a model.
#[derive(Debug, clap::Args)]
pub struct AdapterArgs {
    #[command(subcommand)]
    command: AdapterCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AdapterCommand {
    /// Print rank, scale and norms of every projection.
    Show {
        #[command(flatten)]
        from: From,
    },
    /// Multiply the update by a factor; 0 switches it off.
    Scale {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        only: Only,
        /// Factor
        #[arg(long, allow_hyphen_values = true)]
        by: f64,
        /// Folder of the new adapter
        #[arg(long)]
        out: PathBuf,
    },
    /// Project a direction out of what o_proj and down_proj write: B - u (u^T B).
    ProjectOut {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        only: Only,
        /// The direction: FILE.safetensors#TENSOR
        #[arg(long)]
        vector: String,
        /// Give each B its old Frobenius norm back
        #[arg(long)]
        renormalise: bool,
        /// Folder of the new adapter
        #[arg(long)]
        out: PathBuf,
    },
    /// Write a model with adapters added to its weights.
    Merge(MergeArgs),
    /// Write a model with adapters taken out of its weights, into which they were merged. Exact up to the rounding of the
    /// weights' type.
    Unmerge(MergeArgs),
}

/// An adapter and the model that it is for.
#[derive(Debug, clap::Args)]
struct From {
    /// PEFT folder
    folder: PathBuf,
    /// The model that it is for: `embedded`, a folder, or `ORG/NAME` of the local hub cache
    #[arg(long)]
    model: String,
}

/// Some projections.
#[derive(Debug, clap::Args)]
struct Only {
    /// Blocks, such as `15,16,17`; left out means all
    #[arg(long, value_delimiter = ',')]
    blocks: Vec<usize>,
    /// Projections, such as `down_proj`; left out means all
    #[arg(long, value_delimiter = ',')]
    modules: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct MergeArgs {
    /// Model: `embedded`, a folder, or `ORG/NAME` of the local hub cache
    #[arg(long)]
    model: String,
    /// PEFT folder; may be given several times
    #[arg(long, required = true)]
    adapter: Vec<PathBuf>,
    /// Write every weight as f32, not in its own type, to which sums are rounded
    #[arg(long)]
    f32: bool,
    /// Folder of the new model
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(args: AdapterArgs) -> Result<(), CliError> {
    match args.command {
        AdapterCommand::Show { from } => shown(&from.read()?),
        AdapterCommand::Scale { from, only, by, out } => {
            if !by.is_finite() {
                let problem = "expected a finite number".to_owned();
                return Err(ModelError::Option { option: "by", value: by.to_string(), problem }.into());
            }
            let mut adapter = from.read()?;
            let count = adapter.scale(&only.selection(), by)?;
            written(&adapter, &out, count, &format!("times {by}"))
        }
        AdapterCommand::ProjectOut { from, only, vector, renormalise, out } => {
            let config = Config::read(&Files::find(&from.model)?)?;
            if matches!(config.family, Family::Gemma2 | Family::Gemma3) {
                let problem = "in Gemma a norm with weights stands between these projections and the residual stream, so \
                               that B's columns are no directions of it";
                return Err(ModelError::Change(problem.to_owned()).into());
            }
            let mut adapter = from.read()?;
            let count = adapter.project_out(&only.selection(), &read_vector(&vector)?, renormalise)?;
            written(&adapter, &out, count, "without the direction")
        }
        AdapterCommand::Merge(args) => merged(&args, 1.0),
        AdapterCommand::Unmerge(args) => merged(&args, -1.0),
    }
}

impl From {
    fn read(&self) -> Result<Adapter, CliError> {
        let config = Config::read(&Files::find(&self.model)?)?;
        Ok(read(&self.folder, &config)?)
    }
}

impl Only {
    fn selection(&self) -> Selection {
        Selection { blocks: self.blocks.clone(), modules: self.modules.clone() }
    }
}

fn read(folder: &Path, config: &Config) -> Result<Adapter, ModelError> {
    if !folder.is_dir() {
        return Err(ModelError::Adapter(folder.display().to_string()));
    }
    Adapter::read(folder, config, &Device::Cpu)
}

fn free(out: &Path) -> Result<(), CliError> {
    if std::fs::symlink_metadata(out).is_ok() {
        let message = format!("write {}: it exists already; choose another name", out.display());
        return Err(CliError::Said { message, code: 2 });
    }
    Ok(())
}

fn written(adapter: &Adapter, out: &Path, count: usize, what: &str) -> Result<(), CliError> {
    free(out)?;
    let files: Vec<_> = adapter.to_files()?.into_iter().map(|(name, bytes)| (PathBuf::from(name), bytes)).collect();
    publish_new_folder(out, &files)?;
    Ok(print(&format!("{}: {count} projections {what}\n", out.display()))?)
}

fn shown(adapter: &Adapter) -> Result<(), CliError> {
    let header = ["projection", "rank", "scale", "|A|", "|B|", "|scale B A|"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for norms in adapter.norms()? {
        rows.push(vec![
            norms.path,
            norms.rank.to_string(),
            format!("{:.4}", norms.scale),
            format!("{:.4}", norms.a),
            format!("{:.4}", norms.b),
            format!("{:.4}", norms.update),
        ]);
    }
    let biases = if adapter.has_biases() { "biases were learned too\n" } else { "" };
    Ok(print(&format!("{}{biases}", table(header, rows)))?)
}

fn merged(args: &MergeArgs, sign: f64) -> Result<(), CliError> {
    free(&args.out)?;
    let files = Files::find(&args.model)?;
    let config = Config::read(&files)?;
    let adapters = args.adapter.iter().map(|folder| read(folder, &config)).collect::<Result<Vec<_>, _>>()?;
    let mut count = 0;
    build_new_folder(&args.out, |folder| -> Result<(), CliError> {
        count = merge(&files, &config, &adapters, Merge { sign, wide: args.f32 }, folder)?;
        Ok(())
    })?;
    Ok(print(&format!("{}: {count} tensors changed\n", args.out.display()))?)
}
