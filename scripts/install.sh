#!/bin/sh
# Puts what runs below a prefix, in the folders where the program looks for it.
#
#   scripts/install.sh PREFIX
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || { echo "usage: scripts/install.sh PREFIX" >&2; exit 2; }
prefix=$1
install -Dm755 -t "$prefix/bin" target/release/intentgate
install -Dm755 -t "$prefix/lib/intentgate" runtime/libonnxruntime.*
for model in models/*/manifest.json; do
    model=${model%/manifest.json}
    install -Dm644 -t "$prefix/share/intentgate/$model" "$model"/*.json "$model"/*.onnx \
        "$model"/*.safetensors "$model"/LICENSE
done
install -Dm644 -t "$prefix/share/intentgate/intents" intents/*.toml
install -Dm644 -t "$prefix/share/doc/intentgate" config.toml README.md README.zh-CN.md LICENSE-MIT LICENSE-APACHE
install -Dm644 -t "$prefix/share/doc/intentgate/docs" docs/*.md docs/ask.svg docs/questions.jsonl
