# Sourced by the other scripts: lays out an installation.

# stage_share PREFIX: the SDK's source in a workspace of its own, the recipes, and the licence.
stage_share() {
    local share=$1/share/emhost
    install -d -m 755 "$share"
    copy_source "$share" sdk experiments
    sdk_workspace >"$share/Cargo.toml"
    chmod 644 "$share/Cargo.toml"
    local text
    for text in "$root"/LICENSE* "$root"/NOTICE*; do
        [ ! -f "$text" ] || install -m 644 "$text" "$share/"
    done
}

# copy_source TO FOLDER...: folders of the source, without what cargo and Python left in them.
copy_source() {
    local to=$1
    shift
    (cd "$root" && find "$@" -name target -prune -o -type f ! -name '*.pyc' -print0) |
        while IFS= read -r -d '' file; do
            install -D -m 644 "$root/$file" "$to/$file"
        done
    find "$to" -type d -exec chmod 755 {} +
}

# The workspace that the SDK's crates inherit from, outside of the repository: the root manifest with the crates of
# `sdk/` only, and the dependencies that these take from it.
sdk_workspace() {
    local members names
    members=$(cd "$root" && find sdk -name Cargo.toml -not -path '*/target/*' | sort | sed 's|/Cargo.toml||')
    names=$(cd "$root" && sed -n 's/^\([A-Za-z0-9_-]*\)\.workspace = true.*/\1/p' $(printf '%s/Cargo.toml ' $members))
    awk -v members="$members" -v names="$names" '
        BEGIN {
            count = split(members, member, /[ \n]+/)
            split(names, name, /[ \n]+/)
            for (at in name) used[name[at]] = 1
            print "# The workspace of the SDK, which plugins of `emhost plugin new` depend on."
        }
        /^\[/ { section = $0; if (section ~ /^\[profile/) next; if (blank) print ""; blank = 1 }
        section ~ /^\[profile/ || /^default-members/ || /^$/ || /^#/ { next }
        section == "[workspace]" && /^members/ {
            line = "members = ["
            for (at = 1; at <= count; at++) line = line (at > 1 ? ", " : "") "\"" member[at] "\""
            print line "]"
            next
        }
        section == "[workspace.dependencies]" && !/^\[/ && !(($1) in used) { next }
        { print }
    ' "$root/Cargo.toml"
}

# stage_plugins PREFIX: the libraries of `plugins/`.
stage_plugins() {
    local folder library name
    folder=$1/lib/emhost/plugins
    install -d -m 755 "$1/lib" "$1/lib/emhost" "$folder"
    for name in "$root"/plugins/*/; do
        name=$(basename "$name")
        library=$(find "$target/release" -maxdepth 1 \( -name "lib$name.so" -o -name "lib$name.dylib" \))
        [ -n "$library" ] || fail "$target/release has no library of the plugin $name"
        install -m 644 "$library" "$folder/"
    done
}

# stage_texts PREFIX: what the binary says about itself, where it can: man pages and completions.
stage_texts() {
    local emhost=$target/release/emhost share=$1/share
    local man=$share/man/man1
    install -d -m 755 "$share" "$share/man" "$man"
    "$emhost" man "$man" >/dev/null 2>&1 || rm -rf "$share/man"
    complete_for bash "$share/bash-completion/completions/emhost"
    complete_for zsh "$share/zsh/site-functions/_emhost"
    complete_for fish "$share/fish/vendor_completions.d/emhost.fish"
    find "$share" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
}

complete_for() {
    local script
    script=$("$target/release/emhost" completions "$1" 2>/dev/null) || return 0
    install -d -m 755 "$(dirname "$2")"
    printf '%s\n' "$script" >"$2"
}

# stage_all PREFIX: everything.
stage_all() {
    install -d -m 755 "$1" "$1/bin"
    install -m 755 "$target/release/emhost" "$1/bin/"
    stage_plugins "$1"
    stage_share "$1"
    stage_texts "$1"
}
