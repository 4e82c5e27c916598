#!/usr/bin/env bash
# Builds the committed state twice, in two folders whose names differ in length too, and holds the release binaries
# against each other. Whoever builds a release so gets the same bytes, and none of them names a folder of the builder's.
#
#   scripts/reproducible.sh
#
# Takes two whole release builds. The folders stay where the binaries differ.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "reproducible: $*" >&2; }
fail() { say "$*"; exit 1; }

cargo_home=${CARGO_HOME:-$HOME/.cargo}
rust=$(rustc --print sysroot)
folder=$(mktemp -d)
one=$folder/one
two=$folder/two/of/another/length

# What the compilers know of the machine is replaced: of Rust's, and of the C that crates bring.
build() {
    mkdir -p "$1"
    git archive HEAD | tar -x -C "$1"
    rust_flags=() c_flags=()
    for map in "$1=/build" "$cargo_home=/cargo" "$rust=/rust"; do
        rust_flags+=("--remap-path-prefix=$map")
        c_flags+=("-ffile-prefix-map=$map")
    done
    # Cargo takes the flags one by one where this separates them, so that a folder's name may hold spaces.
    encoded=$(IFS=$'\x1f'; printf '%s' "${rust_flags[*]}")
    (
        cd "$1"
        export CARGO_ENCODED_RUSTFLAGS=$encoded CFLAGS="${c_flags[*]}" CXXFLAGS="${c_flags[*]}"
        export CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=$1/target
        cargo build --release --locked
    )
}

build "$one"
build "$two"
digest() { sha256sum "$1/target/release/intentgate" | cut -d ' ' -f 1; }
first=$(digest "$one") second=$(digest "$two")
[ "$first" = "$second" ] || fail "the binaries differ, $first and $second; see $folder"
for name in "$folder" "$cargo_home" "$rust"; do
    ! grep -qaF -- "$name/" "$one/target/release/intentgate" || fail "the binary names $name; see $folder"
done
rm -rf "$folder"
say "twice the same: $first"
