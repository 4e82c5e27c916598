#!/bin/sh
# Puts ONNX Runtime's shared library into runtime/, out of the wheel that pip knows for this platform.
# The wheel's other contents are Python's and are not kept.
set -eu
cd "$(dirname "$0")/.."
version=1.31.1
case "$(uname -s)" in
    Darwin) library=libonnxruntime.dylib ;;
    *) library=libonnxruntime.so ;;
esac
[ -f "runtime/$library" ] && exit 0

echo "Fetching ONNX Runtime $version ..." >&2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$folder" "onnxruntime==$version"
python3 - "$folder" "$folder/$library" <<'PYTHON'
import pathlib, sys, zipfile

folder, target = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    names = [n for n in wheel.namelist() if "/libonnxruntime." in n and not n.endswith(".py")]
    target.write_bytes(wheel.read(names[0]))
PYTHON
mkdir -p runtime
# In one step, so that a broken download never looks whole.
mv "$folder/$library" "runtime/$library"
