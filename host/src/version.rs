//! Which emhost this is.

use std::sync::LazyLock;

use emhost_abi::{ABI_MAJOR, ABI_MINOR};

/// Version of the host.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that the host was built from: 12 hexadecimal digits, with `-dirty` where its source differed from that
/// commit, or `unknown`.
pub const COMMIT: &str = env!("EMHOST_BUILT_COMMIT");

/// The SDK's source when the host was built; empty in a release.
pub(crate) const SDK: &str = env!("EMHOST_BUILT_SDK");

/// What `emhost --version` prints after the name: version, commit and plugin ABI.
pub fn version() -> &'static str {
    static TEXT: LazyLock<String> =
        LazyLock::new(|| format!("{VERSION} ({COMMIT}, plugin ABI {ABI_MAJOR}.{ABI_MINOR})"));
    &TEXT
}
