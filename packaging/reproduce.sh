#!/usr/bin/env bash
# Builds the archive of HEAD in two clones in different folders, and compares them. Takes two full builds.
#
# usage: packaging/reproduce.sh [FOLDER]
#
# FOLDER keeps the clones, so that what was built is not built again; without it they are removed.
set -euo pipefail
. "$(dirname "$0")/build.sh"

[ $# -le 1 ] || fail "usage: packaging/reproduce.sh [FOLDER]"
if [ $# -eq 1 ]; then
    folder=$(mkdir -p "$1" && cd "$1" && pwd -P)
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
head=$(git -C "$root" rev-parse HEAD)

# Paths of different lengths: a path that stayed in a file moves what follows it.
archives=()
for clone in "$folder/a" "$folder/somewhere/else/b"; do
    [ -d "$clone" ] || git clone --quiet "$root" "$clone"
    git -C "$clone" fetch --quiet origin "$head"
    git -C "$clone" checkout --quiet "$head"
    env -u EMHOST_PACKAGE_TARGET "$clone/packaging/release.sh"
    archives+=("$clone"/target/package/emhost-*.tar.gz)
done
if cmp -s "${archives[@]}"; then
    echo "the same bytes"
    exit 0
fi
# The folders beside the archives hold the same files.
diff -rq "${archives[0]%.tar.gz}" "${archives[1]%.tar.gz}" || true
echo "the archives differ" >&2
exit 1
