#!/bin/sh
# Holds dashboards, rules, alerts and compose file against those who read them, and runs every query of them against
# a real Prometheus that scrapes a real gateway.
#
#   tests/monitoring/run.sh PATH_TO_BINARY
#
# What the tests need goes into ignored folders (.venv, tests/monitoring/node_modules) and is kept while
# requirements.txt and package-lock.json stay as they are. Prometheus is the one on PATH, or Debian's, unpacked
# there and not installed, so that no service is started and root is not needed.
set -eu

say() { printf '%s\n' "monitoring: $*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -eq 1 ] || fail "usage: tests/monitoring/run.sh PATH_TO_BINARY"
[ -f "$1" ] && [ -x "$1" ] || fail "$1 is no program; build it first (cargo build --release)"
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python 3.11 or later with venv is needed; on Debian: apt-get install -y python3 python3-venv"
node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1 ||
    fail "Node.js 18 or later with npm is needed; on Debian: apt-get install -y nodejs npm"

. "$here/../venv.sh"
ensure_venv monitoring "$here"

modules=$here/node_modules
if ! cmp -s "$here/package-lock.json" "$modules/monitoring.stamp"; then
    say "installing Grafana's types"
    (cd "$here" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    cp "$here/package-lock.json" "$modules/monitoring.stamp"
fi

if command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1; then
    PROMETHEUS=$(command -v prometheus) PROMTOOL=$(command -v promtool)
else
    unpacked=$root/.venv/prometheus
    if ! [ -x "$unpacked/usr/bin/prometheus" ]; then
        command -v apt-get >/dev/null 2>&1 || fail "prometheus and promtool are needed on PATH"
        say "fetching Debian's prometheus"
        mkdir -p "$unpacked"
        download() { apt-get download -q prometheus >/dev/null 2>&1; }
        # A fresh machine may not know its packages yet.
        renew() { [ "$(id -u)" -eq 0 ] && apt-get update -q >/dev/null 2>&1; }
        (cd "$unpacked" && { download || { renew && download; }; } && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) ||
            fail "apt-get download prometheus failed; run apt-get update, or put prometheus and promtool on PATH"
    fi
    PROMETHEUS=$unpacked/usr/bin/prometheus PROMTOOL=$unpacked/usr/bin/promtool
fi

export PROMETHEUS PROMTOOL GATEWAY="$binary" PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" -m pytest -q -p no:cacheprovider --tb=short "$here"
