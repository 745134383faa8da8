//! The plugins that can be found.

use super::Finding;
use crate::plugins::{Place, list};

pub(super) fn examine(places: &[Place]) -> Vec<Finding> {
    let found = list(places);
    let sound: Vec<&str> =
        found.iter().filter(|p| p.refusal.is_none() && !p.shadowed).map(|p| p.name.as_str()).collect();
    let abi = format!("{}.{}", emhost_abi::ABI_MAJOR, emhost_abi::ABI_MINOR);
    let mut findings = vec![if sound.is_empty() {
        let advice = "install one with `emhost plugin install PATH`, or name a folder in EMHOST_PLUGIN_PATH";
        Finding::notice("plugins", format!("none for plugin ABI {abi}"), advice)
    } else {
        Finding::good("plugins", format!("{} for plugin ABI {abi}: {}", sound.len(), sound.join(", ")))
    }];
    findings.extend(found.iter().filter_map(|plugin| {
        let refusal = plugin.refusal.as_ref()?;
        let advice = "it is not used; mend what the reason says, or remove the file";
        Some(Finding::bad("plugins", 3, format!("{} {refusal}", plugin.path.display()), advice))
    }));
    // The same bytes twice, such as an installed copy of what was just built, are worth no word.
    let used = |name: &str| found.iter().find(|plugin| plugin.name == name && !plugin.shadowed);
    let hidden = found.iter().filter(|p| p.shadowed && used(&p.name).is_some_and(|used| used.digest != p.digest));
    findings.extend(hidden.map(|plugin| {
        let used = used(&plugin.name).map(|used| used.path.display().to_string()).unwrap_or_default();
        let advice =
            "of two with the same name the one that is found first is used; remove the one that you do not want";
        Finding::notice("plugins", format!("{} is hidden by another one, {used}", plugin.path.display()), advice)
    }));
    findings
}
