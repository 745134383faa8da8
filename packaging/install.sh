#!/usr/bin/env bash
# Builds emhost and its plugins and installs both in a prefix.
#
# usage: packaging/install.sh PREFIX [CARGO_ARGUMENT...]
#
# PREFIX gets bin/, lib/emhost/plugins/ and share/. The build is the usual `cargo build --release`; more arguments are
# cargo's, such as `--features cuda`. CARGO_TARGET_DIR is the target folder, as for cargo.
set -euo pipefail
umask 022
. "$(dirname "$0")/build.sh"
. "$(dirname "$0")/stage.sh"

[ $# -ge 1 ] && [ "${1#-}" = "$1" ] || fail "usage: packaging/install.sh PREFIX [CARGO_ARGUMENT...]"
prefix=$1
shift
target=$(cd "$root" && mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd -P)
(cd "$root" && CARGO_TARGET_DIR=$target cargo build --release --locked "$@")

staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
stage_all "$staged"
mkdir -p "$prefix"
# -f: a binary that runs is replaced, and not written to.
cp -Rf "$staged/." "$prefix/"
echo "installed $("$prefix/bin/emhost" --version) in $prefix"
case :$PATH: in
    *":$prefix/bin:"*) ;;
    *) echo "add $prefix/bin to PATH" ;;
esac
