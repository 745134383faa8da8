//! The ABI's layout as text, for a golden file: a change that nobody meant is seen in review.

use std::collections::BTreeSet;
use std::fmt::Write;

use abi_stable::abi_stability::StableAbi;
use abi_stable::type_layout::{TLData, TLField, TLFields, TLFunction, TypeLayout};

use crate::boundary::PluginModuleRef;
use crate::{ABI_MAJOR, ABI_MINOR};

/// Every type of this crate that crosses: name, size, alignment, and fields in order.
pub fn describe_layout() -> String {
    let mut seen = Vec::new();
    visit(<PluginModuleRef as StableAbi>::LAYOUT, &mut seen);
    let ours = seen.iter().filter(|layout| layout.package().as_str() == env!("CARGO_PKG_NAME"));
    // Sorted by their text: two types can have one name.
    let blocks: BTreeSet<String> = ours.map(|layout| describe(layout)).collect();
    format!("ABI {ABI_MAJOR}.{ABI_MINOR}\n\n{}", Vec::from_iter(blocks).join("\n"))
}

fn visit(layout: &'static TypeLayout, seen: &mut Vec<&'static TypeLayout>) {
    if seen.contains(&layout) {
        return;
    }
    seen.push(layout);
    for field in fields(layout).into_iter().chain(layout.phantom_fields().iter()) {
        visit(field.layout(), seen);
        for function in field.function_range().iter() {
            types(&function).for_each(|of| visit(of, seen));
        }
    }
}

fn describe(layout: &'static TypeLayout) -> String {
    let (name, size, align, repr) = (name(layout), layout.size(), layout.alignment(), layout.repr_attr());
    let mut text = format!("{name}: {size} bytes, align {align}, repr {repr:?}\n");
    if let TLData::PrefixType(prefix) = layout.data() {
        let _ = writeln!(text, "    first field that a library may lack: {}", prefix.first_suffix_field);
    }
    for field in fields(layout) {
        let of = field.layout();
        let _ = writeln!(text, "    {}: {}, {} bytes", field.name(), name_of(of), of.size());
        for function in field.function_range().iter() {
            let types: Vec<String> = types(&function).map(name_of).collect();
            let _ = writeln!(text, "        takes and gives ({})", types.join(", "));
        }
    }
    text
}

/// The name, and for an enum such as `RResult` what it holds.
fn name_of(layout: &'static TypeLayout) -> String {
    let mut text = name(layout);
    if let TLData::Enum(of) = layout.data() {
        let held: Vec<String> = of.fields.iter().map(|field| name_of(field.layout())).collect();
        let _ = write!(text, "<{}>", held.join(", "));
    }
    text
}

fn name(layout: &TypeLayout) -> String {
    layout.full_type().to_string()
}

fn fields(layout: &'static TypeLayout) -> Vec<TLField> {
    let fields: Option<TLFields> = match layout.data() {
        TLData::PrefixType(prefix) => Some(prefix.fields),
        _ => layout.get_fields(),
    };
    fields.iter().flat_map(TLFields::iter).collect()
}

/// Parameters, then the return type.
fn types(function: &TLFunction) -> impl Iterator<Item = &'static TypeLayout> {
    function.param_type_layouts.iter().chain(function.return_type_layout()).map(|layout| layout())
}
