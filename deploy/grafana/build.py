#!/usr/bin/env python3
"""Writes the dashboards, in English and in Chinese, into `dashboards/`. Python 3.11 or later, nothing else.

    deploy/grafana/build.py            writes them
    deploy/grafana/build.py --check    exit code 1 where a file is not what this script writes

Grafana's own builder on PyPI stops at the schema of Grafana 11; the tests hold the files against the types of
its current one.
"""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from operations import OPERATIONS
from savings import SAVINGS

FOLDER = Path(__file__).resolve().parent / "dashboards"


def files() -> dict[Path, str]:
    made = {}
    for name, dashboard in (("savings", SAVINGS), ("operations", OPERATIONS)):
        for language, ending in (("en", ""), ("zh", ".zh")):
            text = json.dumps(dashboard.json(language), ensure_ascii=False, indent=2)
            made[FOLDER / f"{name}{ending}.json"] = text + "\n"
    return made


def main(check: bool) -> int:
    made = files()
    if not check:
        for path, text in made.items():
            path.write_text(text)
        return 0
    stale = [path.name for path, text in made.items() if not path.is_file() or path.read_text() != text]
    stale += [path.name for path in FOLDER.glob("*.json") if path not in made]
    for name in stale:
        print(f"{name} is not what build.py writes", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] == ["--check"]))
