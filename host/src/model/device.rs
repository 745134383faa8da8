//! The devices on which models run.

use candle_core::{Device, utils};

use super::error::{ModelError, Result};

/// Version of the engine's arithmetic, raised when results change.
const VERSION: u32 = 4;

/// The device that a setting names: `auto`, `cpu`, `cuda`, `cuda:1`, `metal`, `metal:0`.
///
/// `auto` is the first GPU of a kind that this build knows, or else the CPU.
pub fn device(name: &str) -> Result<Device> {
    let refuse = |problem: String| ModelError::Device { device: name.to_owned(), problem };
    let (kind, number) = match name.split_once(':') {
        Some((kind, number)) => {
            let number = number.parse().map_err(|_| refuse(format!("`{number}` is not a number, such as 0")))?;
            (kind, number)
        }
        None => (name, 0),
    };
    let built = |has: bool| {
        let hint = || format!("this emhost is built without it; build with `cargo build --release --features {kind}`");
        if has { Ok(()) } else { Err(refuse(hint())) }
    };
    let open = |device: candle_core::Result<Device>| device.map_err(|e| refuse(e.to_string()));
    match kind {
        "auto" if utils::cuda_is_available() => open(Device::new_cuda(0)).or(Ok(Device::Cpu)),
        "auto" if utils::metal_is_available() => open(Device::new_metal(0)).or(Ok(Device::Cpu)),
        "auto" | "cpu" => Ok(Device::Cpu),
        "cuda" => built(utils::cuda_is_available()).and_then(|()| open(Device::new_cuda(number))),
        "metal" => built(utils::metal_is_available()).and_then(|()| open(Device::new_metal(number))),
        _ => Err(refuse("expected auto, cpu, cuda, cuda:N, metal or metal:N".to_owned())),
    }
}

/// What decides the last digits of every result: part of every stage's key.
pub fn numerics(device: &Device) -> String {
    match device {
        Device::Cpu => VERSION.to_string(),
        Device::Cuda(_) => format!("{VERSION} cuda bf16"),
        Device::Metal(_) => format!("{VERSION} metal bf16"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_name_or_the_error_says_what_to_do() {
        assert!(device("cpu").unwrap().is_cpu());
        assert!(device("auto").is_ok());
        for (name, problem) in [("gpu", "expected auto"), ("cuda:x", "`x` is not a number"), ("", "expected auto")] {
            let error = device(name).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        if !utils::cuda_is_available() {
            assert!(device("cuda:1").unwrap_err().to_string().contains("--features cuda"));
        }
    }
}
