#!/bin/sh
# Fuzzes one check of tests/it/strangers/checks.rs, guided by coverage; stable Rust is enough.
#
#   scripts/fuzz.sh TARGET [SECONDS]
#
# What it has found out about a target stays in fuzz/corpus/TARGET, what fails goes to fuzz/artifacts/. To run one
# input again: the binary with the file's name.
set -eu
cd "$(dirname "$0")/.."
target=${1:?"usage: scripts/fuzz.sh TARGET [SECONDS]; targets are in fuzz/src/bin/"}
seconds=${2:-300}
host=$(rustc -vV | sed -n 's/^host: //p')

# With --target these flags are not those of build scripts and macros, which nobody feeds.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --release --manifest-path fuzz/Cargo.toml --target "$host" --bin "$target"

# The tests' own texts, one a file.
seeds=fuzz/seeds/bodies
case $target in
    chat_completions | responses | completions | messages | line | billed) ;;
    usage | broken) seeds=fuzz/seeds/replies ;;
    *)
        seeds="fuzz/corpus/$target-texts"
        rm -rf "$seeds"
        mkdir -p "$seeds"
        cat fuzz/seeds/texts.txt tests/pairs/*.tsv | tr '\t' '\n' | split -a 4 -l 1 - "$seeds/"
        ;;
esac
mkdir -p "fuzz/corpus/$target" fuzz/artifacts
exec "fuzz/target/$host/release/$target" "fuzz/corpus/$target" "$seeds" -dict=fuzz/words.dict \
    -artifact_prefix="fuzz/artifacts/$target-" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -print_final_stats=1
