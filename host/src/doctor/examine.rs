//! Everything that is looked at, in order.

use super::{Finding, engine, folders, machine, plugins, settings};
use crate::plugins::Place;

/// Looks at the program, the machine, the settings, every folder that commands use, the plugins, and lets the embedded
/// organism compute. Nothing is changed: a file that tries whether a folder can be written is gone again.
///
/// `flags` are `key=value` settings of the command line, `places` the folders of plugins.
pub fn examine(flags: &[String], places: &[Place]) -> Vec<Finding> {
    let (settings, mut findings) = settings::examine(flags);
    let mut all = vec![machine::program(), machine::processor(), machine::memory(), machine::device(&settings.device)];
    all.push(engine::examine());
    all.append(&mut findings);
    all.push(folders::writable("store", &settings.store));
    all.push(folders::writable("runs", &settings.runs));
    all.push(folders::models());
    all.extend(plugins::examine(places));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_sound_installation_has_nothing_bad_and_a_broken_one_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let set = |key: &str, value: &str| format!("{key}={value}");
        let inside = |name: &str| folder.path().join(name).display().to_string();
        let good = [set("store", &inside("store")), set("runs", &inside("runs")), set("device", "cpu")];
        let found = examine(&good, &[]);
        let bad: Vec<String> = found.iter().filter(|f| f.state == State::Bad).map(Finding::text).collect();
        // Without a place there is no plugin, which is the only thing that is wrong here.
        assert!(bad.is_empty(), "{bad:?}");
        assert!(found.iter().any(|f| f.topic == "plugins" && f.state == State::Notice), "{found:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");

        std::fs::write(folder.path().join("file"), "").unwrap();
        for (flags, topic, code) in [
            (vec![set("store", &inside("file"))], "store", 5),
            (vec![set("runs", &inside("file/below"))], "runs", 5),
            (vec![set("device", "cuda:9")], "device", 4),
            (vec![set("stor", "x")], "settings", 2),
        ] {
            let found = examine(&flags, &[]);
            let bad = found.iter().find(|f| f.topic == topic && f.state == State::Bad);
            assert!(bad.is_some_and(|f| f.exit_code == code && f.advice.is_some()), "{flags:?}: {found:?}");
        }
    }
}
