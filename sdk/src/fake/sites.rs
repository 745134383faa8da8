//! Site patterns, as the host reads them.

use crate::{Error, Result};

const BLOCK_SITES: [&str; 5] = ["resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"];

/// The sites that patterns name, in forward order.
pub(super) fn select(patterns: &[String], blocks: usize) -> Result<Vec<String>> {
    let all = all(blocks);
    let mut named = vec![false; all.len()];
    for pattern in patterns {
        let mut found = false;
        for (site, named) in all.iter().zip(&mut named) {
            if matches(pattern, site) {
                (*named, found) = (true, true);
            }
        }
        if !found {
            return Err(Error::Input(format!("`{pattern}` names no site of a model with blocks 0 to {}", blocks - 1)));
        }
    }
    Ok(all.into_iter().zip(named).filter_map(|(site, named)| named.then_some(site)).collect())
}

fn all(blocks: usize) -> Vec<String> {
    let inner = (0..blocks).flat_map(|block| BLOCK_SITES.map(|site| format!("blocks.{block}.{site}")));
    let ends = ["final_norm", "logits"].map(str::to_owned);
    [String::from("embed")].into_iter().chain(inner).chain(ends).collect()
}

fn matches(pattern: &str, site: &str) -> bool {
    let parts = |name: &str| -> Option<(String, String)> {
        let (block, name) = name.strip_prefix("blocks.")?.rsplit_once('.')?;
        Some((block.to_owned(), name.to_owned()))
    };
    let (Some((which, name)), Some((block, site_name))) = (parts(pattern), parts(site)) else { return pattern == site };
    let range =
        which.strip_prefix('{').and_then(|which| which.strip_suffix('}')).and_then(|range| range.split_once(".."));
    let number = |text: &str| text.parse::<usize>().ok();
    let block_fits = match range {
        _ if which == "*" => true,
        Some((first, last)) => number(first) <= number(&block) && number(&block) <= number(last),
        None => which == block,
    };
    block_fits && (name == "*" || name == site_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], expected: &[&str]) {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        assert_eq!(select(&patterns, 3).unwrap_or_default(), expected);
    }

    #[test]
    fn patterns_name_sites_in_forward_order() {
        check(&["logits", "embed"], &["embed", "logits"]);
        check(&["blocks.{1..2}.mlp_out"], &["blocks.1.mlp_out", "blocks.2.mlp_out"]);
        check(&["blocks.*.resid_pre"], &["blocks.0.resid_pre", "blocks.1.resid_pre", "blocks.2.resid_pre"]);
        check(&["blocks.3.resid_pre"], &[]);
    }
}
