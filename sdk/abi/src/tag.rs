//! The plain static that says which ABI a library was built for, readable without loading it.

/// Major version of the ABI: another one is refused.
pub const ABI_MAJOR: u32 = parse(env!("CARGO_PKG_VERSION_MAJOR"));
/// Minor version of the ABI: it counts additions.
pub const ABI_MINOR: u32 = parse(env!("CARGO_PKG_VERSION_MINOR"));

/// Symbol of a plugin's [`AbiTag`], up to the crate's name.
pub const TAG_PREFIX: &str = "emhost_plugin_tag_";
/// Symbol of a plugin's [`Header`](crate::Header), up to the crate's name.
pub const HEADER_PREFIX: &str = "emhost_plugin_header_";

/// Magic number and ABI version.
///
/// Exported as a static, so that it can be read through the file's symbol table. Its layout is
/// fixed for all major versions.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbiTag {
    /// [`AbiTag::MAGIC`].
    pub magic: [u8; 16],
    /// Major version of the ABI that the plugin was built for.
    pub major: u32,
    /// Minor version of the ABI that the plugin was built for.
    pub minor: u32,
}

impl AbiTag {
    /// First bytes of every tag.
    pub const MAGIC: [u8; 16] = *b"emhost plugin\0\r\n";
    /// Bytes of a tag in a file.
    pub const SIZE: usize = size_of::<Self>();
    /// The tag of libraries built with this crate.
    pub const CURRENT: Self = Self { magic: Self::MAGIC, major: ABI_MAJOR, minor: ABI_MINOR };

    /// Reads a tag of a library for this machine from its bytes in the file.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let (magic, version) = bytes.split_at(16);
        let number = |at: usize| u32::from_ne_bytes([version[at], version[at + 1], version[at + 2], version[at + 3]]);
        let mut tag = Self { magic: [0; 16], major: number(0), minor: number(4) };
        tag.magic.copy_from_slice(magic);
        tag
    }
}

const fn parse(digits: &str) -> u32 {
    let digits = digits.as_bytes();
    let mut value = 0;
    let mut at = 0;
    while at < digits.len() {
        value = value * 10 + (digits[at] - b'0') as u32;
        at += 1;
    }
    value
}
