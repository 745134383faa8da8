#!/usr/bin/env bash
# Makes target/package/emhost-VERSION-ARCH-OS.tar.gz and its SHA-256.
#
# usage: packaging/release.sh [--dirty]
#
# The same commit and toolchain give the same bytes in any folder. A tree with changes is refused without --dirty.
# EMHOST_PACKAGE_TARGET is cargo's target folder (default: target/package/cargo).
set -euo pipefail
umask 022
. "$(dirname "$0")/build.sh"
. "$(dirname "$0")/stage.sh"

[ $# -eq 0 ] || [ "$*" = --dirty ] || fail "usage: packaging/release.sh [--dirty]"
tar --version 2>/dev/null | grep -q 'GNU tar' || fail "needs GNU tar, for archives with a fixed order and owner"
know_commit "$@"
build

host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
    *-linux-*) system=linux ;;
    *-apple-darwin) system=macos ;;
    *) system=${host##*-} ;;
esac
name=emhost-$version-${host%%-*}-$system
rm -rf "${package:?}/$name"
stage_all "$package/$name"
install -m 644 "$root/README.md" "$package/$name/"
for text in "$root"/LICENSE* "$root"/NOTICE*; do
    [ ! -f "$text" ] || install -m 644 "$text" "$package/$name/"
done

tar -C "$package" --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -cf - "$name" | gzip -n -9 >"$package/$name.tar.gz"
(cd "$package" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
