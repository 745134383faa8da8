#!/usr/bin/env bash
# Makes a Python wheel with binary, plugins, SDK source and recipes in target/package/.
#
# usage: packaging/wheel.sh [--dirty]
#
# `pip install` of it gives VENV/bin/emhost, VENV/lib/emhost/plugins and VENV/share/emhost. The build is that of
# release.sh: after it nothing is compiled again. maturin comes from PyPI into target/package/maturin.
set -euo pipefail
umask 022
. "$(dirname "$0")/build.sh"
. "$(dirname "$0")/stage.sh"

[ $# -eq 0 ] || [ "$*" = --dirty ] || fail "usage: packaging/wheel.sh [--dirty]"
know_commit "$@"
maturin=$package/maturin/bin/maturin
if [ ! -x "$maturin" ]; then
    python3 -m venv "$package/maturin"
    "$package/maturin/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.16,<2'
fi
build

# maturin puts what lies in `data` of this folder into the environment's prefix.
staged=$package/emhost.data
rm -rf "$staged"
install -d -m 755 "$staged"
stage_plugins "$staged/data"
stage_share "$staged/data"
stage_texts "$staged/data"

(cd "$root/host" && "$maturin" build --release --locked --out "$package")
(cd "$package" && sha256sum "emhost-$version-"*.whl)
