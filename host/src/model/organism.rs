//! An organism in memory: a base model with its adapters, tokenizer and template.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Device, Var};
use emhost_abi::wire::ModelInfo;

use super::adapter::Adapter;
use super::config::Config;
use super::error::{ModelError, Result};
use super::families::{Module, Place, head, place, shapes, stacked_experts};
use super::files::Files;
use super::linear::Placement;
use super::network::Network;
use super::packed::Packed;

use super::site::{BlockSite, Capture, Site};
use super::text::Text;
use super::weights::{Source, Weights};

/// A loaded organism.
#[derive(Debug)]
pub struct Organism {
    /// Shape of the network.
    pub config: Config,
    /// The network, adapters attached.
    pub network: Network,
    /// The projections, by block, that each attached adapter changes.
    pub adapters: Vec<Vec<(usize, Module)>>,
    /// Whether an adapter came with biases in place of the model's own.
    pub learned_biases: bool,
    /// Tokenizer and chat template.
    pub text: Text,
    /// Tokens that end an answer.
    pub end_tokens: Vec<u32>,
    /// BLAKE3 of everything that was read.
    pub digest: String,
    /// Where it runs.
    pub device: Device,
    /// Bytes of the weights on disk.
    pub stored_bytes: u64,
}

/// A LoRA adapter on disk.
pub struct AdapterFolder {
    /// The PEFT folder.
    pub folder: std::path::PathBuf,
}

impl Organism {
    /// Loads a model and attaches adapters in order.
    pub fn load(files: &Files, adapters: &[AdapterFolder], device: &Device) -> Result<Self> {
        Self::placed(files, adapters, &Placement::frozen(device))
    }

    /// Loads a model all of whose weights learn, in f32; gives them by the names of its files.
    pub fn learning(files: &Files, device: &Device) -> Result<(Self, BTreeMap<String, Var>)> {
        let mut variables = BTreeMap::new();
        let placement = Placement { learns: true, dtype: DType::F32, ..Placement::frozen(device) };
        let organism = Self::built(files, &[], &placement, Some(&mut variables))?;
        Ok((organism, variables))
    }

    /// Loads a model whose weights are held as `placement` says.
    pub fn placed(files: &Files, adapters: &[AdapterFolder], placement: &Placement) -> Result<Self> {
        Self::built(files, adapters, placement, None)
    }

    fn built(
        files: &Files,
        adapters: &[AdapterFolder],
        placement: &Placement,
        learning: Option<&mut BTreeMap<String, Var>>,
    ) -> Result<Self> {
        let device = &placement.device;
        let config = Config::read(files)?;
        let text = Text::read(files)?;
        text.check_embedding(files, config.vocab)?;
        let mut weights = Weights::open(files, device)?;
        let learns = learning.is_some();
        if learns {
            learnable(&config, &weights)?;
        }
        weights.arrange(|name| match place(&config, name) {
            Place::Text(name) => Some(name),
            Place::Other(_) => None,
        })?;
        if let Some(variables) = learning {
            *variables = weights.variables()?;
            if config.tied {
                variables.remove(&head(&config));
            }
        }
        let mut network = Network::take(&config, &mut weights, placement)?;
        if config.tied && weights.has(&head(&config)) {
            weights.take(&head(&config), &[config.vocab, config.width])?;
        }
        weights.finish()?;
        let (mut adapted, mut learned_biases) = (Vec::with_capacity(adapters.len()), false);
        for adapter in adapters {
            let adapter = Adapter::read(&adapter.folder, &config, device)?;
            adapter.attach(&mut network)?;
            adapted.push(adapter.projections());
            learned_biases |= adapter.has_biases();
        }
        let digest = digest(files, adapters)?;
        let mut stored_bytes = 0;
        for name in files.weight_files()? {
            stored_bytes += files.source(&name)?.map_or(0, |source| source.length());
        }
        let mut end_tokens = config.end_tokens.clone();
        end_tokens.extend(text.end_token());
        end_tokens.sort_unstable();
        end_tokens.dedup();
        let device = device.clone();
        Ok(Self { config, network, adapters: adapted, learned_biases, text, end_tokens, digest, device, stored_bytes })
    }

    /// The organism's shape and identity.
    pub fn info(&self) -> ModelInfo {
        ModelInfo {
            family: self.config.family.to_string(),
            blocks: self.config.blocks,
            width: self.config.width,
            heads: self.config.heads.query,
            kv_heads: self.config.heads.kv,
            vocab: self.config.vocab,
            parameters: shapes(&self.config).iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum(),
            digest: self.digest.clone(),
        }
    }

    /// The sites that patterns name, in forward order; of adapters, those that are there.
    pub fn sites(&self, patterns: &[String]) -> Result<Vec<Site>> {
        let mut found = BTreeSet::new();
        for pattern in patterns {
            let named = Site::select(std::slice::from_ref(pattern), self.config.blocks)?;
            let before = found.len();
            let count = named.len();
            found.extend(named.into_iter().filter(|site| self.width(*site) > 0));
            if found.len() == before && count > 0 && pattern.contains(".lora.") {
                let problem = "no adapter is attached there".to_owned();
                return Err(ModelError::Site { pattern: pattern.clone(), problem });
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Width of a site's values; 0 where no adapter is.
    pub fn width(&self, site: Site) -> usize {
        match site {
            Site::Logits => self.config.vocab,
            Site::Block(block, BlockSite::Lora(projection)) => self.network.rank(block, projection),
            _ => self.config.width,
        }
    }

    /// Runs whole sequences and returns the values at `sites`, each `[tokens of all sequences, width]`.
    pub fn capture(&self, sequences: &[&[u32]], sites: &[Site]) -> Result<Capture> {
        let mut capture = Capture::new(sites);
        self.network.forward(&mut Packed::whole(sequences), &mut capture)?;
        Ok(capture)
    }

    /// An error where a sequence does not fit the context or names a token that does not exist.
    pub fn check(&self, row_id: &str, tokens: &[u32], more: usize) -> Result<()> {
        let refuse = |problem| Err(ModelError::Row { row_id: row_id.to_owned(), problem });
        let context = self.config.context;
        if tokens.len().saturating_add(more) > context {
            return refuse(format!("{} tokens and {more} new ones do not fit the context of {context}", tokens.len()));
        }
        match tokens.iter().find(|token| **token as usize >= self.config.vocab) {
            Some(token) => refuse(format!("token {token} is outside the vocabulary of {}", self.config.vocab)),
            None => Ok(()),
        }
    }
}

/// An error for a checkpoint whose tensors are not one by one what the network computes with.
fn learnable(config: &Config, weights: &Weights) -> Result<()> {
    let refuse = |problem: String| Err(ModelError::Recipe(format!("full training {problem}")));
    for name in weights.names() {
        match place(config, name) {
            Place::Text(own) if own == name => {}
            Place::Other(_) if name.ends_with("inv_freq") => {}
            _ => return refuse(format!("takes text models; this checkpoint has other parts, such as `{name}`")),
        }
    }
    let stacked = (0..config.blocks).filter_map(|at| stacked_experts(config, at)).flatten();
    match stacked.into_iter().find(|(name, _)| weights.has(name)) {
        Some((name, _)) => refuse(format!("does not take experts that are stacked in one tensor, such as `{name}`")),
        None => Ok(()),
    }
}

/// BLAKE3 of everything that decides what an organism computes, without loading it.
pub fn digest(files: &Files, adapters: &[AdapterFolder]) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |name: &str, source: Source| {
        hasher.update(name.as_bytes());
        source.digest(&mut hasher).map_err(|e| ModelError::Read { path: source.path().to_owned(), source: e })
    };
    let known = [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "chat_template.json",
    ];
    for name in known.into_iter().map(str::to_owned).chain(files.weight_files()?) {
        if let Some(source) = files.source(&name)? {
            add(&name, source)?;
        }
    }
    for adapter in adapters {
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            let path = adapter.folder.join(name);
            add(name, Source::open(&path).map_err(|source| ModelError::Read { path, source })?)?;
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}
