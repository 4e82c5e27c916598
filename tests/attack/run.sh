#!/usr/bin/env bash
# Attacks a gateway as strangers would, while honest clients go on asking: these must not notice.
#
#   tests/attack/run.sh [short|whole] [NAME…]
#
# short, the default, takes two and a half minutes, and whole takes ten; what is missed takes longer. With names, only
# the attacks whose names begin with one of them. The program is INTENTGATE, or target/release/intentgate; nothing
# is built here. What the attacks need goes into .venv/attack, which git ignores, and is kept while
# requirements.txt stays as it is. Linux only: the attackers come from 127.0.0.2, and memory is read from /proc.
set -euo pipefail

say() { printf '%s\n' "attack: $*" >&2; }
fail() { say "$*"; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${INTENTGATE:-$root/target/release/intentgate}
mode=${1:-short}
[ $# -gt 0 ] && shift

[ "$mode" = short ] || [ "$mode" = whole ] || fail "usage: tests/attack/run.sh [short|whole] [NAME…]"
[ -f "$binary" ] && [ -x "$binary" ] || fail "$binary is no program; build it first (cargo build --release), or set INTENTGATE"
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
[ -r /proc/self/status ] || fail "Linux is needed: memory is read from /proc"
python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or later with venv is needed; on Debian: apt-get install -y python3 python3-venv"

. "$here/../venv.sh"
ensure_venv attack "$here"

# The gateway finds its model and ONNX Runtime from here.
cd "$root"
export PYTHONDONTWRITEBYTECODE=1 NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
exec "$venv/bin/python" "$here/suite.py" "$mode" "$@" --binary "$binary"
