//! Ctrl-C and SIGTERM: the first asks the run to stop, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

/// Whether the user has asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens to the signals. A plugin that has not returned `grace` after the first is left behind: the
    /// process ends with the plugin's exit status. Everything closed before stays.
    pub fn listen(grace: Duration) -> std::io::Result<Self> {
        let interrupt = Self::watch()?;
        let flag = interrupt.clone();
        std::thread::spawn(move || {
            while !flag.requested() {
                std::thread::sleep(Duration::from_millis(50));
            }
            std::thread::sleep(grace);
            eprintln!("emhost: the plugin did not stop within {} s of the interrupt; left it", grace.as_secs());
            std::process::exit(3);
        });
        Ok(interrupt)
    }

    /// Listens to the signals, for work without a plugin.
    pub fn watch() -> std::io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_default(signal, interrupt.0.clone())?;
            signal_hook::flag::register(signal, interrupt.0.clone())?;
        }
        Ok(interrupt)
    }

    /// True after the first signal.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Asks to stop, as a signal would.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
