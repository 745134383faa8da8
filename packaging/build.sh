# Sourced by the other scripts: builds binary and plugins, so that their bytes depend on the commit and the toolchain only.
#
# Sets `root`, `version`, `target` (cargo's folder), `package` (where results go), `commit` and SOURCE_DATE_EPOCH.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
package=$root/target/package
target=${EMHOST_PACKAGE_TARGET:-$package/cargo}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")

fail() {
    echo "${0##*/}: $*" >&2
    exit 2
}

# The commit and its date; `--dirty` as $1 lets changes pass, which the commit's name then says.
know_commit() {
    if ! commit=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null); then
        commit=${EMHOST_COMMIT:?$root has no git: name the commit in EMHOST_COMMIT}
        export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:?name the date of the commit, in seconds since 1970}
    else
        SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
        export SOURCE_DATE_EPOCH
        if [ -n "$(git -C "$root" status --porcelain)" ]; then
            [ "${1:-}" = --dirty ] || fail "$root has changes that are not committed: commit them, or say --dirty"
            commit=$commit-dirty
        fi
    fi
    export EMHOST_COMMIT=$commit
}

# `cargo build` of the workspace's default members, stripped, without the names of this machine's folders.
build() {
    local cargo_home=${CARGO_HOME:-$HOME/.cargo} sysroot rustc separator=$'\x1f'
    target=$(mkdir -p "$target" && cd "$target" && pwd -P)
    sysroot=$(rustc --print sysroot)
    rustc=$(rustc -vV | sed -n 's/^commit-hash: //p')
    # The last one that fits decides.
    local maps=(
        "$cargo_home=/cargo"
        "$(cd "$cargo_home" && pwd -P)=/cargo"
        "$sysroot/lib/rustlib/src/rust=/rustc/$rustc"
        "$root=/emhost"
        "$target=/emhost/target"
    )
    local flags=() map
    for map in "${maps[@]}"; do flags+=("--remap-path-prefix=$map"); done
    local IFS=$separator
    export CARGO_ENCODED_RUSTFLAGS="${flags[*]}"
    IFS=' '
    export CFLAGS="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$root=/emhost -ffile-prefix-map=$target=/emhost/target"
    unset RUSTFLAGS
    export CARGO_TARGET_DIR=$target CARGO_PROFILE_RELEASE_STRIP=symbols CARGO_INCREMENTAL=0
    export EMHOST_SDK_SOURCE='' LC_ALL=C TZ=UTC
    (cd "$root" && cargo build --release --locked "$@")
}
