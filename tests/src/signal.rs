//! Signals to programs that a test started.

use std::process::Child;

use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

/// Sends a signal, as `kill` does, which a small system may not have.
pub fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a child can be signalled");
}
