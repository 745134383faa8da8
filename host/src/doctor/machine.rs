//! The program itself and the machine that it runs on.

use super::Finding;
use crate::model;
use crate::run::free_bytes;
use crate::units;

/// Training the embedded organisms side by side needs about this much.
const LITTLE_MEMORY: u64 = 1_000_000_000;

pub(super) fn program() -> Finding {
    let path = std::env::current_exe().map_or_else(|_| "?".to_owned(), |path| path.display().to_string());
    Finding::good("emhost", format!("{} at {path}", crate::version()))
}

pub(super) fn processor() -> Finding {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    let kind = std::env::consts::ARCH;
    let vectors = vectors();
    let found = format!("{kind}, {threads} threads{}", vectors.map(|v| format!(", {v}")).unwrap_or_default());
    match vectors {
        None if kind == "x86_64" => Finding::notice(
            "processor",
            found,
            "it has no AVX2, so that models run several times slower than they could",
        ),
        _ => Finding::good("processor", found),
    }
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> Option<&'static str> {
    let has_512 = std::arch::is_x86_feature_detected!("avx512f");
    let has_2 = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
    if has_512 { Some("AVX-512") } else { has_2.then_some("AVX2") }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> Option<&'static str> {
    None
}

pub(super) fn memory() -> Finding {
    match free_bytes() {
        None => Finding::notice("memory", "unknown on this system", "cells run side by side without regard to memory"),
        Some(free) if free < LITTLE_MEMORY => {
            let advice = "that is little: close other programs, or run fewer cells at once with `--workers 1`";
            Finding::notice("memory", format!("{} free", units::bytes(free)), advice)
        }
        Some(free) => Finding::good("memory", format!("{} free", units::bytes(free))),
    }
}

pub(super) fn device(name: &str) -> Finding {
    let device = match model::device(name) {
        Ok(device) => device,
        Err(error) => {
            let advice = "set `device` to auto, or build with the feature that the message names";
            return Finding::bad("device", 4, error.to_string(), advice);
        }
    };
    if !device.is_cpu() {
        return Finding::good("device", format!("{:?} (setting `{name}`)", device.location()));
    }
    let gpu = ["/dev/nvidia0", "/proc/driver/nvidia/version"].iter().any(|path| std::path::Path::new(path).exists());
    if gpu && !cfg!(feature = "cuda") {
        let advice = "build with `cargo build --release --features cuda` to use it (a CUDA toolkit is needed)";
        return Finding::notice("device", "CPU; there is an NVIDIA GPU that this build cannot use", advice);
    }
    Finding::good("device", format!("CPU (setting `{name}`)"))
}
