#!/bin/sh
# Tests a gateway with the official clients of OpenAI and Anthropic for Python and Node, and with LangChain.
#
#   tests/clients/run.sh PATH_TO_BINARY
#
# What the tests need goes into ignored folders (.venv, tests/clients/node_modules) and is kept while
# requirements.txt and package-lock.json stay as they are.
set -eu

say() { printf '%s\n' "clients: $*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -eq 1 ] || fail "usage: tests/clients/run.sh PATH_TO_BINARY"
[ -f "$1" ] && [ -x "$1" ] || fail "$1 is no program; build it first (cargo build --release)"
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# The gateway finds its model and the shipped intents from here.
cd "$root"

# --- What the tests need --------------------------------------------------------------------------------------

has_python() { python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_node() {
    node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1
}

# ensure CHECK NEEDED PACKAGE…: where the check fails, root on Debian installs the packages, others are told to.
ensure() {
    check=$1 needed=$2
    shift 2
    if "$check"; then return; fi
    if [ "$(id -u)" -eq 0 ] && [ -f /etc/debian_version ]; then
        say "installing $*"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@" >/dev/null || true
    fi
    "$check" || fail "$needed is needed; on Debian: apt-get install -y $*"
}

ensure has_python "Python 3.11 or later with venv" python3 python3-venv
ensure has_node "Node.js 18 or later with npm" nodejs npm

scratch=$(mktemp -d)
started=

stop() {
    for process in $started; do kill "$process" 2>/dev/null || true; done
    for process in $started; do
        waits=0
        while kill -0 "$process" 2>/dev/null && [ $waits -lt 50 ]; do
            sleep 0.1
            waits=$((waits + 1))
        done
        kill -9 "$process" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

. "$here/../venv.sh"
ensure_venv clients "$here"

modules=$here/node_modules
if ! cmp -s "$here/package-lock.json" "$modules/clients.stamp"; then
    say "installing the Node clients"
    (cd "$here" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    cp "$here/package-lock.json" "$modules/clients.stamp"
fi

# --- The gateways ---------------------------------------------------------------------------------------------

# The defaults are tested: no config.toml that lies around, no setting of whoever runs this (but where the
# model is), and no proxy comes between.
: >"$scratch/config.toml"
for name in $(env | sed -n 's/^\(INTENTGATE_[A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in
    INTENTGATE_MODEL__*) ;;
    *) unset "$name" ;;
    esac
done
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
export XDG_STATE_HOME="$scratch" JOURNAL="$scratch/intentgate/journal.sqlite"
unset STATE_DIRECTORY

show_log() {
    say "the gateway's log ends with:"
    tail -n 30 "$log" >&2
}

# serve LOG [NAME=VALUE…]: starts a gateway with these settings, and sets base_url and admin_url to its addresses. The
# first start embeds every example: ten seconds on two idle cores, more on busy ones.
serve() {
    log=$1
    shift
    env NO_COLOR=1 INTENTGATE_SERVER__LISTEN=127.0.0.1:0 INTENTGATE_ADMIN__LISTEN=127.0.0.1:0 "$@" \
        "$binary" --config "$scratch/config.toml" --intents "$root/intents" serve >"$log" 2>&1 &
    gateway=$!
    started="$started $gateway"
    base_url= admin_url= waits=0
    while [ -z "$base_url" ] || [ -z "$admin_url" ]; do
        if ! kill -0 "$gateway" 2>/dev/null; then
            show_log
            fail "the gateway ended before it was ready"
        elif [ $waits -ge 1200 ]; then
            show_log
            fail "the gateway was not ready after two minutes"
        fi
        sleep 0.1
        waits=$((waits + 1))
        base_url=$(sed -n 's|.*base URL  *\(http://[0-9.:]*/v1\).*|\1|p' "$log")
        admin_url=$(sed -n 's|.*admin  *\(http://[0-9.:]*/metrics\).*|\1|p' "$log")
    done
}

# One in front of an upstream whose replies break off.
"$venv/bin/python" "$here/broken_upstream.py" "$scratch/upstream.port" &
started="$started $!"
waits=0
while [ ! -f "$scratch/upstream.port" ]; do
    [ $waits -lt 300 ] || fail "the upstream was not ready after half a minute"
    sleep 0.1
    waits=$((waits + 1))
done
serve "$scratch/broken.log" INTENTGATE_GATE__MODE=off INTENTGATE_JOURNAL__PATH="$scratch/broken.sqlite" \
    INTENTGATE_UPSTREAM__URL="http://127.0.0.1:$(cat "$scratch/upstream.port")/v1"
export BROKEN_URL="$base_url"

serve "$scratch/gateway.log"
export BASE_URL="$base_url" ADMIN_URL="$admin_url"
say "testing $BASE_URL"

# --- All suites, each also where another has failed -----------------------------------------------------------

failed=
# LangChain reports nothing to its makers.
export PYTHONDONTWRITEBYTECODE=1 LANGSMITH_TRACING=false LANGCHAIN_TRACING_V2=false
"$venv/bin/python" -m pytest -q -p no:cacheprovider "$here" || failed="$failed Python"
# One after the other: what the gateway has counted is compared with what one file has sent.
for file in "$here"/*.test.mjs; do
    node --test --test-reporter=dot "$file" || failed="$failed $(basename "$file")"
done

kill -0 "$gateway" 2>/dev/null || failed="$failed gateway-ended"
if [ -n "$failed" ]; then
    show_log
    fail "failed:$failed"
fi
say "all clients are content"
