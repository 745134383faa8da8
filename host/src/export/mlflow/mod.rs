//! MLflow's tracking server: what goes there is first written to a spool on the disk, then sent until the server has it.

mod client;
mod deliver;
mod entry;
mod fill;
mod history;
mod key;
mod send;
mod spool;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use client::Server;
pub use deliver::flush;
pub use entry::Options;
pub use fill::spool;
pub use send::{Sent, export_mlflow};
