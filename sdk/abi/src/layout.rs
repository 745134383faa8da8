//! The ABI's layout as text, for a golden file: a change that nobody meant is seen in review.

use std::collections::BTreeMap;
use std::fmt::Write;

use abi_stable::abi_stability::StableAbi;
use abi_stable::type_layout::{TLData, TLFields, TypeLayout};

use crate::boundary::PluginModuleRef;
use crate::{ABI_MAJOR, ABI_MINOR};

/// Every type of this crate that crosses: name, size, alignment, and fields in order.
pub fn describe_layout() -> String {
    let mut types = BTreeMap::new();
    visit(<PluginModuleRef as StableAbi>::LAYOUT, &mut types);
    let mut text = format!("ABI {ABI_MAJOR}.{ABI_MINOR}\n");
    for block in types.values() {
        text.push('\n');
        text.push_str(block);
    }
    text
}

fn visit(layout: &'static TypeLayout, types: &mut BTreeMap<String, String>) {
    let name = layout.full_type().to_string();
    if types.contains_key(&name) {
        return;
    }
    types.insert(name.clone(), String::new());
    let mut block = format!("{name}: {} bytes, align {}, {:?}\n", layout.size(), layout.alignment(), layout.repr_attr());
    let fields = fields(layout);
    for field in fields.iter().flat_map(TLFields::iter) {
        let _ = writeln!(block, "    {}: {}", field.name(), field.full_type());
        for function in field.function_range().iter() {
            // The text goes on with a line of lifetimes.
            let _ = writeln!(block, "        {}", function.to_string().lines().next().unwrap_or_default());
        }
    }
    let ours = layout.package().as_str() == env!("CARGO_PKG_NAME");
    if ours {
        types.insert(name, block);
    }
    let phantom = layout.phantom_fields();
    for field in fields.iter().flat_map(TLFields::iter).chain(phantom.iter()) {
        visit(field.layout(), types);
        for function in field.function_range().iter() {
            for param in function.param_type_layouts.iter().chain(function.return_type_layout()) {
                visit(param(), types);
            }
        }
    }
}

fn fields(layout: &'static TypeLayout) -> Option<TLFields> {
    match layout.data() {
        TLData::PrefixType(prefix) => Some(prefix.fields),
        _ => layout.get_fields(),
    }
}
