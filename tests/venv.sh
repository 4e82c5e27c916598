# For suites that run in Python; sourced, with say() and $root of whoever sources it.

# ensure_venv NAME FOLDER: has what FOLDER/requirements.txt asks for in the ignored .venv/NAME, kept while the file and
# Python stay as they are, and sets $venv to it.
ensure_venv() {
    venv=$root/.venv/$1
    stamp=$(python3 --version && cat "$2/requirements.txt")
    if [ "$(cat "$venv/$1.stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$venv/bin/python" ]; then return; fi
    say "installing what the tests need from PyPI"
    mkdir -p "$root/.venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$2/requirements.txt"
    printf '%s\n' "$stamp" >"$venv/$1.stamp"
}
