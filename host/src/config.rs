//! Settings of the installation, in layers: built-in, system, user, project, environment, flags.

use std::path::PathBuf;

use config::{Config, Environment, File, FileFormat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where things are, and how patient the host is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder of all runs.
    pub runs: PathBuf,
    /// Folder of results that runs share.
    pub store: PathBuf,
    /// Where models run: `auto`, `cpu`, `cuda`, `cuda:N`, `metal` or `metal:N`.
    pub device: String,
    /// Cells of a run at the same time, where memory allows; 0 for one per processor.
    pub workers: usize,
    /// Seconds that a plugin has to stop after an interrupt.
    pub grace_seconds: u64,
}

/// Settings that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(#[from] config::ConfigError);

/// Names of all settings.
pub const KEYS: [&str; 5] = ["runs", "store", "device", "workers", "grace_seconds"];

const BUILT_IN: &str = "runs = \"runs\"\nstore = \".emhost\"\ndevice = \"auto\"\nworkers = 0\ngrace_seconds = 30\n";

/// One layer: where it comes from, and what it holds.
struct Layer {
    origin: String,
    source: Config,
}

impl Default for Settings {
    /// The built-in values.
    fn default() -> Self {
        toml::from_str(BUILT_IN).expect("every setting has a built-in value")
    }
}

/// Reads all layers; `flags` are `key=value` from the command line.
pub fn settings(flags: &[String]) -> Result<Settings, ConfigError> {
    let mut all = Config::builder();
    for layer in layers(flags)? {
        all = all.add_source(layer.source);
    }
    Ok(all.build()?.try_deserialize()?)
}

/// Each setting with its value and the layer that it comes from.
pub fn origins(flags: &[String]) -> Result<Vec<(String, String, String)>, ConfigError> {
    settings(flags)?;
    let layers = layers(flags)?;
    let find = |key: &str| {
        layers.iter().rev().find_map(|layer| Some((layer.source.get_string(key).ok()?, layer.origin.clone())))
    };
    Ok(KEYS.iter().filter_map(|key| find(key).map(|(value, origin)| ((*key).to_owned(), value, origin))).collect())
}

/// The files that may hold settings, later ones first in rank: of the system, of the user, of the project.
pub fn files() -> Vec<PathBuf> {
    let user = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".config")))
        .map(|folder| folder.join("emhost/config.toml"));
    [Some(PathBuf::from("/etc/emhost/config.toml")), user, Some(PathBuf::from("emhost.toml"))]
        .into_iter()
        .flatten()
        .collect()
}

fn layers(flags: &[String]) -> Result<Vec<Layer>, ConfigError> {
    let text = |origin: &str, text: &str| -> Result<Layer, ConfigError> {
        let source = Config::builder().add_source(File::from_str(text, FileFormat::Toml)).build()?;
        Ok(Layer { origin: origin.to_owned(), source })
    };
    let mut layers = vec![text("built-in", BUILT_IN)?];
    for path in files().into_iter().filter(|path| path.is_file()) {
        let source = Config::builder().add_source(File::from(path.clone()).format(FileFormat::Toml)).build()?;
        layers.push(Layer { origin: path.display().to_string(), source });
    }
    let set = KEYS.iter().map(|key| format!("EMHOST_{}", key.to_uppercase()));
    let set = set.filter_map(|name| std::env::var(&name).ok().map(|value| (name, value))).collect();
    let environment = Environment::with_prefix("EMHOST").prefix_separator("_").source(Some(set));
    layers.push(Layer { origin: "environment".to_owned(), source: Config::builder().add_source(environment).build()? });
    let mut builder = Config::builder();
    for flag in flags {
        let (key, value) =
            flag.split_once('=').ok_or_else(|| config::ConfigError::Message(format!("`{flag}`: write key=value")))?;
        builder = builder.set_override(key.trim(), value.trim())?;
    }
    layers.push(Layer { origin: "--config".to_owned(), source: builder.build()? });
    Ok(layers)
}
