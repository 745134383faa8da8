//! Everything that a plugin usually needs: `use emhost_sdk::prelude::*;`.

pub use crate::{Error, Experiment, FakeLab, IntoReader, Lab, Result, Stream, Table, Vectors};
pub use emhost_abi::wire::*;
pub use schemars::{self, JsonSchema};
pub use serde::{Deserialize, Serialize};
pub use serde_json;
