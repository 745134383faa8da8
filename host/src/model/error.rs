//! What can be wrong with a model, an adapter, a tokenizer or the rows given to them.

use std::path::PathBuf;

/// An error of the model engine. Each names the object, what was expected and what was found.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of a checkpoint cannot be read.
    #[error("read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of a checkpoint cannot be written.
    #[error("write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The named model is neither carried by the host nor a folder.
    #[error(
        "find model `{0}`: give `embedded`, `embedded:llama`, `embedded:early`, `embedded:assessor`, a folder that holds config.json, *.safetensors and tokenizer.json, or ORG/NAME of the hub cache"
    )]
    Unknown(String),
    /// The named adapter is no folder.
    #[error("find adapter `{0}`: give a folder that holds adapter_config.json and adapter_model.safetensors")]
    Adapter(String),
    /// A model named as on the hub is not in the local cache.
    #[error("find model `{model}` in the hub cache `{}`: {problem}", cache.display())]
    Hub {
        /// The model as asked for.
        model: String,
        /// The cache's folder.
        cache: PathBuf,
        /// What is there, and the command that downloads it.
        problem: String,
    },
    /// The device that a setting names cannot be used.
    #[error("use device `{device}`: {problem}")]
    Device {
        /// The setting.
        device: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A configuration or tokenizer file has a value that the engine does not know or cannot use.
    #[error("use `{file}` of {model}: {problem}")]
    Unsupported {
        /// The checkpoint.
        model: String,
        /// The file.
        file: String,
        /// The option, its value, and what is supported.
        problem: String,
    },
    /// Weights do not fit the configuration.
    #[error("load weights of {model}: tensor `{tensor}` {problem}")]
    Weights {
        /// The checkpoint.
        model: String,
        /// The tensor's name.
        tensor: String,
        /// What was expected and found.
        problem: String,
    },
    /// A row cannot be used as it stands.
    #[error("use row `{row_id}`: {problem}")]
    Row {
        /// The row.
        row_id: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A site name or pattern names nothing.
    #[error("find site `{pattern}`: {problem}")]
    Site {
        /// The pattern as given.
        pattern: String,
        /// What exists.
        problem: String,
    },
    /// An intervention does not fit the model or the rows.
    #[error("use intervention {number} ({op}): {problem}")]
    Intervention {
        /// 0-based number in the list.
        number: usize,
        /// What it does.
        op: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A vector of an intervention cannot be used.
    #[error("use vector `{vector}`: {problem}")]
    Vector {
        /// The file and tensor, or `values`.
        vector: String,
        /// What is wrong.
        problem: String,
    },
    /// The engine edited other tokens than the plan says: an error of the engine, whose results are worth nothing.
    #[error(
        "steer: intervention {number} edited {counted} tokens at `{site}`, the plan says {planned}; this is a fault of \
         emhost, please report it"
    )]
    Firings {
        /// 0-based number in the list.
        number: usize,
        /// Where.
        site: String,
        /// Tokens that were edited.
        counted: u64,
        /// Tokens that should have been.
        planned: u64,
    },
    /// An option of sampling, scoring or steering has a value that it cannot have.
    #[error("use {option} = {value}: {problem}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is expected.
        problem: String,
    },
    /// A value of a forward pass is infinite or not a number.
    #[error(
        "compute row `{row_id}`: {what} holds a value that is not finite; lower scale and strengths of interventions, or \
         look for an overflow in the model"
    )]
    NotFinite {
        /// The row.
        row_id: String,
        /// The site, or what was computed from it.
        what: String,
    },
    /// An adapter cannot be changed or merged as asked.
    #[error("change adapter: {0}")]
    Change(String),
    /// A recipe asks for what cannot be done.
    #[error("train: {0}")]
    Recipe(String),
    /// The loss or a gradient is not a number.
    #[error("train: the {what} at step {step} is {value}; lower the learning rate (rows {rows})")]
    Diverged {
        /// `loss` or `gradient norm`.
        what: &'static str,
        /// 0-based step.
        step: usize,
        /// The value.
        value: f64,
        /// The step's rows.
        rows: String,
    },
    /// The user or the run stopped the work.
    #[error("finish: interrupted")]
    Cancelled,
    /// A tensor operation failed: memory, device or shapes.
    #[error("compute: {0}")]
    Compute(#[from] candle_core::Error),
}

impl ModelError {
    /// Whether the user's input is wrong, rather than the model or the device.
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Self::Unknown(_)
                | Self::Hub { .. }
                | Self::Row { .. }
                | Self::Site { .. }
                | Self::Intervention { .. }
                | Self::Vector { .. }
                | Self::Adapter(_)
                | Self::Change(_)
                | Self::Option { .. }
                | Self::Recipe(_)
        )
    }
}

/// Result of the model engine.
pub type Result<T, E = ModelError> = std::result::Result<T, E>;
