//! The tables of probes.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::capture::Captured;
use crate::params::{Params, SplitBy, TokenSet};
use crate::probe::{CHANCE, Fits, mean, spread};
use crate::probing::{ALL, Place, Probed};
use crate::roles::consistency;

/// The interval of an accuracy, in tables and reports. Without a signal, 80 answers split over groups, it held chance in
/// 91 to 93 of 100 data sets.
pub const INTERVAL: &str = "corrected resampled t (Nadeau and Bengio 2003)";
/// The interval over groups. It held chance in 82 to 88 of 100 such data sets, because other fits would differ as well.
pub const OVER_GROUPS: &str = "percentile bootstrap over groups of test tokens, fits as they are";
/// The interval over resamples.
pub const OVER_RESAMPLES: &str = "2.5 and 97.5 percentiles of resamples, which are not independent";
/// The test.
pub const TEST: &str =
    "mean accuracy of some splits among that of as many splits of each permutation of labels over answers, one-sided";

fn place(columns: &mut Columns, captured: &Captured, place: Place) {
    let contrast = place.contrast();
    columns.text("contrast", contrast.name);
    columns.count("number", contrast.number);
    columns.text("split", split_name(place.split));
    columns.text("tokens", tokens_name(place.tokens));
    let subset = place.site.map_or(ALL, |site| captured.sites[site].0.as_str());
    columns.text("adapters", subset);
}

/// The split's name in tables.
pub fn split_name(split: SplitBy) -> &'static str {
    match split {
        SplitBy::Token => "token",
        SplitBy::Group => "group",
    }
}

/// The set's name in tables.
pub fn tokens_name(tokens: TokenSet) -> &'static str {
    match tokens {
        TokenSet::All => "all",
        TokenSet::Kept => "kept",
    }
}

/// One row per probe: what it was fitted on, its accuracy with its intervals, and what permuted labels give.
pub fn probes(params: &Params, captured: &Captured, probed: &[Probed]) -> Table {
    let mut columns = Columns::default();
    let family = probed.iter().filter(|probe| probe.p_adjusted.is_finite()).count() as u64;
    for probe in probed {
        place(&mut columns, captured, probe.place);
        columns.flag("available", probe.fits.is_some());
        let counts = probe.counts;
        for (class, name) in ["negative", "positive"].iter().enumerate() {
            columns.count(&format!("{name}_tokens"), counts.tokens[class] as u64);
            columns.count(&format!("{name}_answers"), counts.answers[class] as u64);
        }
        columns.count("groups", counts.groups as u64);
        let (real, permuted) = match &probe.fits {
            Some((real, permuted)) => (Some(real), Some(permuted)),
            None => (None, None),
        };
        columns.count("resamples", real.map_or(0, |fits| fits.accuracy.len()) as u64);
        columns.count("train_tokens", real.map_or(0, |fits| fits.sizes[0]) as u64);
        columns.count("test_tokens", real.map_or(0, |fits| fits.sizes[1]) as u64);
        columns.number("accuracy", real.map_or(f64::NAN, |fits| fits.mean()));
        let [low, high] = real.and_then(|fits| fits.corrected()).unwrap_or([f64::NAN; 2]);
        columns.number("low", low);
        columns.number("high", high);
        let [low, high] = probe.over_groups.unwrap_or([f64::NAN; 2]);
        columns.number("group_low", low);
        columns.number("group_high", high);
        let [low, high] = spread(real.map_or(&[], |fits| &fits.accuracy));
        columns.number("resample_low", low);
        columns.number("resample_high", high);
        columns.number("chance", CHANCE);
        columns.number("permuted", permuted.map_or(f64::NAN, |fits| fits.mean()));
        let splits = probe.place.permuted_splits(params);
        let [low, high] = spread(&permuted.map(|fits| fits.means(splits)).unwrap_or_default());
        columns.number("permuted_low", low);
        columns.number("permuted_high", high);
        columns.count("permutations", permuted.map_or(0, |fits| fits.accuracy.len() / splits) as u64);
        columns.count("permuted_splits", splits as u64);
        columns.number("p", probe.p);
        columns.number("p_adjusted", probe.p_adjusted);
        columns.count("family", if probe.p_adjusted.is_finite() { family } else { 0 });
        columns.text("interval", INTERVAL);
        columns.text("group_interval", OVER_GROUPS);
        columns.text("resample_interval", OVER_RESAMPLES);
        columns.text("test", if probe.place.site.is_none() { TEST } else { "" });
        let needed = &params.probe;
        let few = format!("fewer than {} tokens or {} answers of a class", needed.min_tokens, needed.min_answers);
        columns.text("missing", if probe.fits.is_some() { String::new() } else { few });
    }
    columns.table()
}

/// One row per probe on all adapters and per adapter: its coefficient.
pub fn coefficients(captured: &Captured, probed: &[Probed]) -> Table {
    let mut columns = Columns::default();
    for probe in probed.iter().filter(|probe| probe.place.site.is_none()) {
        for (column, (site, block)) in captured.sites.iter().enumerate() {
            let values = |fits: Option<&Fits>| fits.map(|fits| fits.of(column)).unwrap_or_default();
            let real = values(probe.fits.as_ref().map(|(real, _)| real));
            let permuted = values(probe.fits.as_ref().map(|(_, permuted)| permuted));
            place(&mut columns, captured, probe.place);
            columns.text("site", site);
            columns.count("block", *block as u64);
            columns.flag("available", probe.fits.is_some());
            columns.count("resamples", real.len() as u64);
            columns.number("coefficient", mean(&real));
            let [low, high] = spread(&real);
            columns.number("low", low);
            columns.number("high", high);
            let share =
                |sign: fn(&f64) -> bool| real.iter().filter(|value| sign(value)).count() as f64 / real.len() as f64;
            columns.number("positive", share(|v| *v > 0.0));
            columns.number("negative", share(|v| *v < 0.0));
            columns.number("zero", share(|v| *v == 0.0));
            columns.number("consistency", consistency(&real));
            let [low, high] = spread(&permuted);
            columns.number("permuted_low", low);
            columns.number("permuted_high", high);
            columns.text("unit", "log odds per standard deviation of the training part");
            columns.text("interval", OVER_RESAMPLES);
        }
    }
    columns.table()
}

/// One row per fit on all adapters.
pub fn fits(captured: &Captured, probed: &[Probed]) -> Table {
    let mut columns = Columns::default();
    for probe in probed.iter().filter(|probe| probe.place.site.is_none()) {
        let Some((real, permuted)) = &probe.fits else { continue };
        for (fits, permuted) in [(real, false), (permuted, true)] {
            for (resample, accuracy) in fits.accuracy.iter().enumerate() {
                place(&mut columns, captured, probe.place);
                columns.flag("permuted", permuted);
                columns.count("resample", resample as u64);
                columns.number("accuracy", *accuracy);
                for (column, (site, _)) in captured.sites.iter().enumerate() {
                    columns.number(site, fits.coefficients[resample][column]);
                }
            }
        }
    }
    columns.table()
}
