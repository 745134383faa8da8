//! The layout of what crosses the boundary is a file in review.

use std::path::Path;

/// To update the file after a change that was meant: `EMHOST_UPDATE_GOLDEN=1 cargo test --release -p
/// emhost-tests --test layout`, and change the version of `emhost-abi` as its documentation says.
#[test]
fn the_layout_of_what_crosses_is_as_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/abi_layout.txt");
    let layout = emhost_abi::describe_layout();
    if std::env::var_os("EMHOST_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &layout).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    for (number, (was, is)) in committed.lines().zip(layout.lines()).enumerate() {
        assert_eq!(is, was, "{}:{} differs: is the ABI's change meant?", path.display(), number + 1);
    }
    assert_eq!(layout.lines().count(), committed.lines().count(), "{} has another length", path.display());
}
