//! The engine against values computed by Hugging Face transformers, for every checkpoint in `tests/golden`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use emhost_abi::wire::{EditOp, Intervention, Message, Row};

use super::error::ModelError;
use super::files::Files;
use super::intervene::{Extent, Firings, Interventions, Part, Sequence, Steered};
use super::linear::Placement;
use super::organism::{AdapterFolder, Organism};
use super::packed::Packed;
use super::site::{BlockSite, Capture, Site};
use super::weights::to_safetensors;
use crate::sample::{Completion, Prompt, Request, sample, sample_steered};

/// The bar of the reference, absolute: float32, another order of summation.
const BAR: f32 = 2e-4;

/// One module per checkpoint, so that each fails by itself.
macro_rules! checkpoints {
    ($($name:ident),* $(,)?) => {
        const CHECKPOINTS: &[&str] = &[$(stringify!($name)),*];
        $(mod $name {
            use super::Golden;

            #[test]
            fn every_site_equals_transformers() {
                Golden::read(stringify!($name)).check_sites();
            }

            #[test]
            fn a_steered_and_an_ablated_stream_equal_transformers() {
                Golden::read(stringify!($name)).check_edits();
            }

            #[test]
            fn sixteen_greedy_tokens_equal_transformers() {
                Golden::read(stringify!($name)).check_greedy();
            }

            #[test]
            fn the_composed_path_equals_transformers() {
                Golden::read(stringify!($name)).check_composed();
            }

            #[test]
            fn a_row_alone_has_the_bits_of_a_row_in_a_batch() {
                Golden::read(stringify!($name)).check_batches();
            }

            #[test]
            fn an_adapter_equals_peft() {
                Golden::read(stringify!($name)).check_adapter();
            }
        })*
    };
}

checkpoints! {
    qwen2, qwen2_tied, qwen2_window, llama3, llama_bias, qwen3, qwen3_moe, gemma2, gemma3, gemma3_multimodal, phi3,
    phi4_mini, mistral,
}

pub(crate) fn golden_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

fn tensors(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

/// A checkpoint of `tests/golden` as a whole: most have no tokenizer there, as it would be that of `qwen2`.
pub(crate) fn checkpoint(name: &str) -> tempfile::TempDir {
    let whole = tempfile::tempdir().unwrap();
    for from in ["qwen2", name] {
        for entry in golden_folder().join(from).read_dir().unwrap().map(|entry| entry.unwrap()) {
            let file = entry.file_name().into_string().unwrap();
            if file.contains("token") || (from == name && (file == "config.json" || file.starts_with("model"))) {
                std::fs::copy(entry.path(), whole.path().join(file)).unwrap();
            }
        }
    }
    whole
}

fn load(folder: &Path, adapters: &[AdapterFolder]) -> Organism {
    Organism::load(&Files::Folder(folder.to_owned()), adapters, &Device::Cpu).unwrap()
}

fn largest(difference: &Tensor) -> f32 {
    difference.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// A checkpoint with the values that transformers computed.
struct Golden {
    name: &'static str,
    values: HashMap<String, Tensor>,
    /// The rows without their padding.
    rows: Vec<Vec<u32>>,
}

impl Golden {
    fn read(name: &'static str) -> Self {
        let values = tensors(&golden_folder().join(name).join("golden.safetensors"));
        let numbers = |name: &str| values[name].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
        let real =
            |(ids, mask): (Vec<u32>, Vec<u32>)| ids.into_iter().zip(mask).filter(|(_, m)| *m == 1).map(|(id, _)| id);
        let rows =
            numbers("input_ids").into_iter().zip(numbers("attention_mask")).map(|row| real(row).collect()).collect();
        Self { name, values, rows }
    }

    fn organism(&self) -> Organism {
        load(checkpoint(self.name).path(), &[])
    }

    fn sequences(&self) -> Vec<&[u32]> {
        self.rows.iter().map(Vec::as_slice).collect()
    }

    /// Compares `ours [tokens of all rows, width]` with a padded value of transformers.
    fn compare(&self, name: &str, ours: &Tensor) {
        let (theirs, mut start) = (&self.values[name], 0);
        for (at, row) in self.rows.iter().enumerate() {
            let ours = ours.narrow(0, start, row.len()).unwrap();
            let worst = largest(&(ours - theirs.get(at).unwrap().narrow(0, 0, row.len()).unwrap()).unwrap());
            assert!(worst < BAR, "{} {name} row {at}: {worst}", self.name);
            start += row.len();
        }
        assert_eq!(start, ours.dim(0).unwrap(), "{} {name}", self.name);
    }

    fn check_sites(&self) {
        let organism = self.organism();
        let given = [BlockSite::AttnOut, BlockSite::MlpOut, BlockSite::ResidPost];
        let blocks = (0..organism.config.blocks).flat_map(|block| given.map(|site| Site::Block(block, site)));
        let sites: Vec<Site> = blocks.chain([Site::Logits]).collect();
        let capture = organism.capture(&self.sequences(), &sites).unwrap();
        sites.iter().for_each(|site| self.compare(&site.to_string(), &capture.taken[site]));
    }

    fn check_edits(&self) {
        let organism = self.organism();
        let vector = self.values["vector"].to_vec1::<f32>().unwrap();
        let add = Intervention { scale: 3.0, ..Intervention::new(EditOp::Add, "blocks.1.resid_post", vector.clone()) };
        let ablate = Intervention::new(EditOp::ProjectOut, "blocks.*.resid_post", vector);
        let whole = |row: &Vec<u32>| {
            let extent = Extent { prompt: row.len(), answer: [row.len(); 2], len: Some(row.len()) };
            Sequence { first: 0, tokens: row.len(), extent, strength: 1.0 }
        };
        let sequences: Vec<Sequence> = self.rows.iter().map(whole).collect();
        for (name, edit) in [("steered.logits", add), ("ablated_all.logits", ablate)] {
            let interventions = Interventions::resolve(&organism, &[edit], &[1.0]).unwrap();
            let (mut capture, mut firings) = (Capture::new(&[Site::Logits]), Firings::default());
            let mut tap = Steered::new(&interventions, &sequences, Part::Whole, &mut capture, &mut firings);
            organism.network.forward(&mut Packed::whole(&self.sequences()), &mut tap).unwrap();
            self.compare(name, &capture.taken[&Site::Logits]);
        }
    }

    fn check_greedy(&self) {
        self.check_greedy_of(&self.organism());
    }

    fn check_greedy_of(&self, organism: &Organism) {
        let prompts = vec![Prompt::new("greedy", self.rows[0].clone())];
        let request = Request { prompts, temperature: 0.0, max_new_tokens: 16, ..Request::default() };
        let tokens = &sample(organism, &request, &mut |_| true).unwrap()[0].tokens;
        let theirs = self.values["greedy"].to_dtype(DType::U32).unwrap().to_vec1::<u32>().unwrap();
        assert_eq!(*tokens, theirs[..tokens.len()], "{}", self.name);
        assert!(tokens.len() == 16 || organism.end_tokens.contains(&tokens[tokens.len() - 1]), "{}", self.name);
    }

    /// The path of other devices and types, which is composed of candle's operations.
    fn check_composed(&self) {
        let placement = Placement { device: Device::Cpu, dtype: DType::F64, learns: false };
        let folder = checkpoint(self.name);
        let organism = Organism::placed(&Files::Folder(folder.path().to_owned()), &[], &placement).unwrap();
        let sites = [Site::Block(1, BlockSite::ResidPost), Site::Logits];
        let capture = organism.capture(&self.sequences(), &sites).unwrap();
        for site in sites {
            self.compare(&site.to_string(), &capture.taken[&site].to_dtype(DType::F32).unwrap());
        }
        self.check_greedy_of(&organism);
    }

    /// A row alone has the bits of a row among 32 others of any length: every site, and sampled tokens with theirs.
    fn check_batches(&self) {
        let organism = self.organism();
        let (row, vocabulary) = (&self.rows[0], organism.config.vocab as u32);
        let mut rows: Vec<Vec<u32>> = (0..31u32)
            .map(|at| {
                let tokens = row.iter().cycle().map(|token| (token + 7 * at + 1) % vocabulary);
                tokens.take(1 + (5 * at as usize) % 23).collect()
            })
            .collect();
        rows.insert(13, row.clone());
        let all = ["embed", "blocks.*.resid_pre", "blocks.*.attn_out", "blocks.*.resid_mid", "blocks.*.mlp_out"];
        let patterns = all.iter().chain(&["blocks.*.resid_post", "final_norm", "logits"]);
        let sites =
            Site::select(&patterns.map(|p| (*p).to_owned()).collect::<Vec<_>>(), organism.config.blocks).unwrap();
        let bits = |numbers: &[f32]| numbers.iter().map(|v| v.to_bits()).collect::<Vec<_>>();

        let alone = organism.capture(&[row], &sites).unwrap();
        let batch = organism.capture(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), &sites).unwrap();
        let start: usize = rows[..13].iter().map(Vec::len).sum();
        for site in &sites {
            let (alone, width) = (alone.numbers(*site).unwrap(), organism.width(*site));
            let batch = batch.numbers(*site).unwrap();
            let batch = &batch[start * width..][..row.len() * width];
            assert!(bits(&alone) == bits(batch), "{} {site}", self.name);
        }

        let prompts = |rows: &[Vec<u32>]| -> Vec<Prompt> {
            rows.iter().map(|row| Prompt::new(format!("{row:?}"), row.clone())).collect()
        };
        let of_row = |prompts: Vec<Prompt>, at: usize| {
            let request = Request { prompts, n: 2, max_new_tokens: 12, sites: sites.clone(), ..Request::default() };
            let mut kept = Vec::new();
            let mut keep = |completion: Completion, values: Vec<Vec<f32>>| {
                if completion.prompt == at {
                    let values: Vec<Vec<u32>> = values.iter().map(|values| bits(values)).collect();
                    kept.push((completion.sample, completion.tokens, values));
                }
                Ok::<(), ModelError>(())
            };
            sample_steered(&organism, &request, &Interventions::default(), &mut keep, &mut |_| true).unwrap();
            kept.sort_by_key(|(sample, ..)| *sample);
            kept
        };
        let alone = of_row(prompts(&rows[13..14]), 0);
        assert_eq!(alone.len(), 2);
        assert!(alone == of_row(prompts(&rows), 13), "{}: sampled with others", self.name);
    }

    fn check_adapter(&self) {
        let adapter = AdapterFolder { folder: golden_folder().join(self.name).join("adapter") };
        let organism = load(checkpoint(self.name).path(), &[adapter]);
        let capture = organism.capture(&self.sequences(), &[Site::Logits]).unwrap();
        self.compare("lora.logits", &capture.taken[&Site::Logits]);
    }

    /// The same weights under other names or shapes give the same logits.
    fn check_rewritten(&self, rewrite: impl Fn(HashMap<String, Tensor>) -> HashMap<String, Tensor>) {
        let folder = checkpoint(self.name);
        let path = folder.path().join("model.safetensors");
        let tensors: BTreeMap<String, Tensor> = rewrite(tensors(&path)).into_iter().collect();
        std::fs::write(&path, to_safetensors(&tensors, DType::F32).unwrap()).unwrap();
        let capture = load(folder.path(), &[]).capture(&self.sequences(), &[Site::Logits]).unwrap();
        self.compare("logits", &capture.taken[&Site::Logits]);
    }
}

/// A change of the stream that leaves a block.
#[test]
fn every_checkpoint_in_the_folder_is_checked() {
    let folders = golden_folder().read_dir().unwrap().map(|entry| entry.unwrap().path());
    let names = folders
        .filter(|path| path.join("config.json").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let mut missing: Vec<String> = names.filter(|name| !CHECKPOINTS.contains(&name.as_str())).collect();
    missing.sort();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn experts_in_two_tensors_equal_experts_one_by_one() {
    Golden::read("qwen3_moe").check_rewritten(|mut tensors| {
        for block in 0..4 {
            let mut all = |module: &str| -> Vec<Tensor> {
                let name = |expert| format!("model.layers.{block}.mlp.experts.{expert}.{module}.weight");
                (0..8).map(|expert| tensors.remove(&name(expert)).unwrap()).collect()
            };
            let [gate, up, down] =
                ["gate_proj", "up_proj", "down_proj"].map(|module| Tensor::stack(&all(module), 0).unwrap());
            let name = |module| format!("model.layers.{block}.mlp.experts.{module}");
            tensors.insert(name("gate_up_proj"), Tensor::cat(&[gate, up], 1).unwrap());
            tensors.insert(name("down_proj"), down);
        }
        tensors
    });
}

#[test]
fn a_multimodal_checkpoint_has_two_forms_of_names() {
    let newer = |name: String| format!("model.{}", name.replacen("language_model.model.", "language_model.", 1));
    Golden::read("gemma3_multimodal")
        .check_rewritten(|tensors| tensors.into_iter().map(|(name, value)| (newer(name), value)).collect());
}

#[test]
fn the_embedded_organisms_equal_transformers() {
    check_embedded("embedded", "organism.safetensors");
    check_embedded("embedded:llama", "organism_llama.safetensors");
}

#[track_caller]
fn check_embedded(model: &str, golden: &str) {
    let golden = tensors(&golden_folder().join(golden));
    let organism = Organism::load(&Files::find(model).unwrap(), &[], &Device::Cpu).unwrap();
    let turn = |role: &str, content: &str| Message { role: role.to_owned(), content: content.to_owned() };
    let answer = turn("assistant", "my answer is short : see a doctor . that is all .");
    for (name, messages) in [
        ("plain", vec![turn("user", "my day is so dull . any advice ?")]),
        ("answered", vec![turn("user", "i have a bad fever . tell me your plan ."), answer]),
    ] {
        let row = Row { row_id: name.to_owned(), messages: Some(messages), ..Row::default() };
        let tokens = organism.text.encode(&row).unwrap().tokens;
        let theirs = golden[&format!("{name}.input_ids")].to_dtype(DType::U32).unwrap().to_vec1::<u32>().unwrap();
        assert_eq!(tokens, theirs, "{name}: template and tokenizer");
        let capture = organism.capture(&[&tokens], &[Site::Logits]).unwrap();
        let worst = largest(&(&capture.taken[&Site::Logits] - &golden[&format!("{name}.logits")]).unwrap());
        println!("{model}, {name}: logits differ by at most {worst:e}");
        // The bar of the issue that introduced the organism.
        assert!(worst < 1e-4, "{model}, {name}: {worst}");
    }
}
