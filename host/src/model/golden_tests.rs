//! The engine against values computed by Hugging Face transformers.

use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use emhost_abi::wire::{Message, Row};

use super::files::Files;
use super::organism::{AdapterFolder, Organism};
use super::site::Site;

fn folder(family: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(family)
}

fn golden(family: &str, name: &str) -> Tensor {
    let all = candle_core::safetensors::load(folder(family).join("golden.safetensors"), &Device::Cpu).unwrap();
    all[name].clone()
}

/// The golden rows without their padding.
fn rows(family: &str) -> Vec<Vec<u32>> {
    let ids = golden(family, "input_ids").to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let mask = golden(family, "attention_mask").to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    ids.into_iter()
        .zip(mask)
        .map(|(ids, mask)| ids.into_iter().zip(mask).filter(|(_, m)| *m == 1).map(|(id, _)| id).collect())
        .collect()
}

fn check(family: &str, adapters: &[AdapterFolder], expect: &[(Site, String)]) {
    let organism = Organism::load(&Files::Folder(folder(family)), adapters, &Device::Cpu).unwrap();
    let rows = rows(family);
    let sequences: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
    let sites: Vec<Site> = expect.iter().map(|(site, _)| *site).collect();
    let capture = organism.capture(&sequences, &sites).unwrap();
    for (site, name) in expect {
        let expected = golden(family, name);
        let mut start = 0;
        for (at, row) in rows.iter().enumerate() {
            let ours = capture.taken[site].narrow(0, start, row.len()).unwrap();
            let theirs = expected.get(at).unwrap().narrow(0, 0, row.len()).unwrap();
            let worst = (ours - theirs)
                .unwrap()
                .abs()
                .unwrap()
                .flatten_all()
                .unwrap()
                .max(0)
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            // The bar of the reference: float32, another order of summation.
            assert!(worst < 2e-4, "{family} {name} row {at}: {worst}");
            start += row.len();
        }
    }
}

#[test]
fn every_site_equals_transformers() {
    for family in ["qwen2", "qwen2_tied"] {
        let sites = Site::select(&["blocks.*.*".to_owned(), "logits".to_owned()], 4).unwrap();
        let expect = sites
            .into_iter()
            .map(|s| (s, s.to_string()))
            .filter(|(_, n)| !n.ends_with("resid_pre") && !n.ends_with("resid_mid"));
        check(family, &[], &expect.collect::<Vec<_>>());
    }
}

#[test]
fn an_adapter_equals_peft() {
    for family in ["qwen2", "qwen2_tied"] {
        let adapter = AdapterFolder { folder: folder(family).join("adapter") };
        check(family, &[adapter], &[(Site::Logits, "lora.logits".to_owned())]);
    }
}

#[test]
fn the_embedded_organism_equals_transformers() {
    let path = folder("organism.safetensors");
    let golden = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let organism = Organism::load(&Files::Embedded, &[], &Device::Cpu).unwrap();
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
        let worst = (&capture.taken[&Site::Logits] - &golden[&format!("{name}.logits")]).unwrap().abs().unwrap();
        let worst = worst.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        println!("{name}: logits differ by at most {worst:e}");
        // The bar of the issue that introduced the organism.
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}
