//! `emhost direction`: directions of the store and of files.

mod args;
mod compare;
mod export;
mod layer;
mod list;
mod refs;
mod show;
mod transfer;

pub(super) use args::{DirectionArgs, run};
