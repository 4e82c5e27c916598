#!/bin/sh
# What the gateway adds to a request, held against nginx as a plain reverse proxy to the same fake upstream, in
# the same run.
#
#   scripts/bench-proxy.sh [PATH_TO_BINARY]
#
# A fake LLM (nginx with one fixed reply, and a small one that streams), nginx with one worker before it, and
# the gateway before it: as operators run it, logging to a file, and once more with the log off. wrk asks each in
# turn, by one connection and by 64; scripts/bench-proxy/rounds.py holds the rounds and what is asked of each
# figure. All of it shares this machine's processors. The verdicts are cached: what is measured is the way
# through. ROUNDS (5) and SECONDS_EACH (2) in the environment make it longer or shorter.
#
# Nothing is written into the repository; everything is stopped at the end.
set -eu

say() { printf '%s\n' "bench-proxy: $*" >&2; }
fail() { say "$*"; exit 1; }

cd "$(dirname "$0")/.."
root=$(pwd)
parts=$root/scripts/bench-proxy
binary=${1:-$root/target/release/intentgate}
[ -f "$binary" ] && [ -x "$binary" ] || fail "$binary is no program; build it first (make build)"

has_tools() { command -v nginx >/dev/null && command -v wrk >/dev/null && command -v python3 >/dev/null; }
# nginx is not in the PATH of everyone who may run it.
PATH=$PATH:/usr/sbin
if ! has_tools && [ "$(id -u)" -eq 0 ] && [ -f /etc/debian_version ]; then
    say "installing nginx and wrk"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q nginx-light wrk python3 >/dev/null || true
fi
has_tools || fail "nginx, wrk and Python 3 are needed; on Debian: apt-get install -y nginx-light wrk python3"

scratch=$(mktemp -d)
# nginx's worker is another user where this is root.
chmod 755 "$scratch"
running=

stop() {
    # shellcheck disable=SC2086
    [ -z "$running" ] || kill $running 2>/dev/null || true
    wait
    rm -rf "$scratch"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start NAME COMMAND…: in the background; what it says goes to a file.
start() {
    log=$scratch/$1.log
    shift
    "$@" >"$log" 2>&1 &
    running="$running $!"
}

# free N: that many ports that nobody listens on.
free() {
    python3 -c '
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

ports="DIRECT STREAM PROXY PROXY_STREAM GATEWAY GATEWAY_SILENT GATEWAY_FORGETFUL GATEWAY_STREAM ADMIN ADMIN_SILENT ADMIN_FORGETFUL ADMIN_STREAM"
# shellcheck disable=SC2086
read -r $ports <<PORTS
$(free 12)
PORTS
# shellcheck disable=SC2086,SC2163
export $ports

proxy() {
    sed -e "s|@SCRATCH@|$scratch|" -e "s|@UPSTREAM@|$DIRECT|" -e "s|@STREAM@|$STREAM|" \
        -e "s|@PROXY@|$PROXY|" -e "s|@PROXY_STREAM@|$PROXY_STREAM|" "$parts/$1.conf" >"$scratch/$1.conf"
    start "$1" nginx -e stderr -c "$scratch/$1.conf"
}

# gateway NAME PORT ADMIN UPSTREAM LOG JOURNAL
gateway() {
    cat >"$scratch/$1.toml" <<TOML
[server]
listen = "127.0.0.1:$2"
log = "$5"
[admin]
listen = "127.0.0.1:$3"
[upstream]
url = "http://127.0.0.1:$4/v1"
[journal]
store = "$6"
path = "$scratch/$1.sqlite"
TOML
    start "$1" "$binary" --config "$scratch/$1.toml" --intents "$root/intents" serve
}

# No setting of whoever runs this.
for name in $(env | sed -n 's/^\(INTENTGATE_[A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in
    INTENTGATE_MODEL__*) ;;
    *) unset "$name" ;;
    esac
done

proxy upstream
proxy nginx
start stream python3 "$parts/stream.py" "$STREAM"
gateway logging "$GATEWAY" "$ADMIN" "$DIRECT" info sqlite
gateway silent "$GATEWAY_SILENT" "$ADMIN_SILENT" "$DIRECT" off sqlite
gateway forgetful "$GATEWAY_FORGETFUL" "$ADMIN_FORGETFUL" "$DIRECT" off off
gateway streaming "$GATEWAY_STREAM" "$ADMIN_STREAM" "$STREAM" info sqlite

python3 "$parts/rounds.py" || {
    tail -n 5 "$scratch"/*.log >&2
    exit 1
}
