//! The settings, and the variables that look like settings.

use super::Finding;
use crate::config::{self, KEYS, Settings};
use crate::run::nearest;

/// Variables that are no settings.
const OTHERS: [&str; 2] = ["EMHOST_PLUGIN_PATH", "EMHOST_PYTHON"];

/// The settings, or the built-in ones where they cannot be read, and what there is to say.
pub(super) fn examine(flags: &[String]) -> (Settings, Vec<Finding>) {
    let files: Vec<String> =
        config::files().iter().filter(|path| path.is_file()).map(|path| path.display().to_string()).collect();
    let (settings, finding) = match config::settings(flags) {
        Ok(settings) => {
            let from =
                if files.is_empty() { "built in, no file".to_owned() } else { format!("from {}", files.join(", ")) };
            (settings, Finding::good("settings", format!("{from} (`emhost config show --origin`)")))
        }
        Err(error) => {
            let advice = format!("mend the file or the variable; settings are {}", KEYS.join(", "));
            (Settings::default(), Finding::bad("settings", 2, error.to_string(), advice))
        }
    };
    let unknown = std::env::vars_os().filter_map(|(name, _)| misspelt(name.to_str()?));
    (settings, std::iter::once(finding).chain(unknown).collect())
}

/// A variable that begins like a setting and is none.
fn misspelt(name: &str) -> Option<Finding> {
    let key = name.strip_prefix("EMHOST_")?;
    if KEYS.contains(&key.to_lowercase().as_str()) || OTHERS.contains(&name) {
        return None;
    }
    let meant =
        nearest(&key.to_lowercase(), KEYS).map(|meant| format!("did you mean EMHOST_{}? ", meant.to_uppercase()));
    let advice = format!("{}it has no effect", meant.unwrap_or_default());
    Some(Finding::notice("settings", format!("the environment has {name}, which is no setting"), advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_with_a_slip_is_told() {
        assert!(misspelt("EMHOST_STORE").is_none() && misspelt("PATH").is_none() && misspelt(OTHERS[0]).is_none());
        let finding = misspelt("EMHOST_STOER").expect("it is no setting");
        assert!(finding.advice.is_some_and(|advice| advice.contains("EMHOST_STORE")));
    }
}
