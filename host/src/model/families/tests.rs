//! Descriptions of real checkpoints, and refusals.
