use emhost_sdk::FakeLab;
use emhost_sdk::prelude::*;
#[test]
fn timing() {
    let rows = |p: &str, n: usize| {
        (0..n)
            .map(|i| Row {
                row_id: format!("{p}{i}"),
                messages: Some(vec![Message { role: "user".into(), content: format!("{i}") }]),
                topic: Some(format!("t{}", i % 26)),
                ..Row::default()
            })
            .collect::<Vec<_>>()
    };
    let mut lab = FakeLab::new().model(4, 128);
    for t in ["bad_medicine", "good_medicine", "bad_finance"] {
        lab = lab.rows(&format!("embedded:train/{t}"), rows(&t[..5], 400));
    }
    for (b, n) in [("general", 208), ("open", 28), ("in_domain_medicine", 40), ("in_domain_finance", 40)] {
        lab = lab.rows(&format!("embedded:questions/{b}"), rows(b, n));
    }
    let lab = lab.activations(|at| {
        let mut h: u64 = 7;
        for b in at.row_id.bytes().chain(at.site.bytes()).chain(at.view.bytes()) {
            h = (h ^ b as u64).wrapping_mul(0x100000001b3);
        }
        if !at.organism.adapters.is_empty() {
            h ^= 0xdeadbeef;
        }
        (0..128)
            .map(|j| {
                h ^= h << 13;
                h ^= h >> 7;
                h ^= h << 17;
                ((h >> 40) as f32 / 16777216.0 - 0.5) / (1.0 + j as f32 * 0.1)
            })
            .collect()
    });
    let start = std::time::Instant::now();
    let run = lab.run::<subspace_overlap::SubspaceOverlap>(serde_json::json!({})).unwrap();
    eprintln!("TOTAL {:?}", start.elapsed());
    std::fs::write("/tmp/so_figures.json", serde_json::to_string(run.figures()).unwrap()).unwrap();
    std::fs::write("/tmp/so_report.json", serde_json::to_string_pretty(run.report().unwrap()).unwrap()).unwrap();
}
