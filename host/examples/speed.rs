use emhost::model::{
    Device, config::Config, files::Files, linear::Placement, network::Network, packed::*, site::Untapped,
    weights::Weights,
};
use std::time::Instant;
fn main() {
    let folder = std::env::args().nth(1).unwrap();
    let files = Files::find(&folder).unwrap();
    let t = Instant::now();
    let config = Config::read(&files).unwrap();
    let mut weights = Weights::open(&files, &Device::Cpu).unwrap();
    let net = Network::take(&config, &mut weights, &Placement::frozen(&Device::Cpu)).unwrap();
    println!("load {:?}", t.elapsed());
    let seq = |n: usize, s: u32| {
        (0..n as u32).map(|i| 3 + (i * 7919 + s * 104729) % (config.vocab as u32 - 3)).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<u32>> = (0..8).map(|s| seq(128, s)).collect();
    let refs: Vec<&[u32]> = rows.iter().map(|r| r.as_slice()).collect();
    for _ in 0..3 {
        let t = Instant::now();
        let h = net.forward(&mut Packed::whole(&refs), &mut Untapped).unwrap();
        let a = t.elapsed();
        let l = net.logits(&h).unwrap();
        println!(
            "forward 8x128 {:.0} tok/s, with logits {:.0}",
            1024.0 / a.as_secs_f64(),
            1024.0 / t.elapsed().as_secs_f64()
        );
        drop(l);
    }
    if config.vocab > 10000 {
        return;
    }
    for n in [1usize, 8, 40, 280, 400] {
        let mut mem = vec![Memory::empty(config.blocks); n];
        let prompts: Vec<Vec<u32>> = (0..n).map(|s| seq(30, s as u32)).collect();
        let refs: Vec<&[u32]> = prompts.iter().map(|r| r.as_slice()).collect();
        net.forward(&mut Packed::continued(&refs, &mut mem), &mut Untapped).unwrap();
        let t = Instant::now();
        let (mut tf, mut tl) = (0.0, 0.0);
        for step in 0..64u32 {
            let toks: Vec<[u32; 1]> = (0..n).map(|i| [3 + (i as u32 + step) % 5000]).collect();
            let refs: Vec<&[u32]> = toks.iter().map(|r| r.as_slice()).collect();
            let t = Instant::now();
            let h = net.forward(&mut Packed::continued(&refs, &mut mem), &mut Untapped).unwrap();
            tf += t.elapsed().as_secs_f64();
            let t = Instant::now();
            let _l = net.logits(&h).unwrap();
            tl += t.elapsed().as_secs_f64();
        }
        let dt = t.elapsed().as_secs_f64();
        println!(
            "decode {n} rows: {:.2} ms/step, {:.0} tok/s (forward {:.2} head {:.2} ms)",
            dt / 64.0 * 1e3,
            64.0 * n as f64 / dt,
            tf / 64.0 * 1e3,
            tl / 64.0 * 1e3
        );
    }
}
