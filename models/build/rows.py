"""Reads the rows that the model is trained on: `rows/LANGUAGE.SIDE.txt`.

A file is blocks of one kind: a heading `# kind`, then a row a line. The sides are
`business` (what any shop is asked), `off_topic` (what none is) and `continuing`
(what is clear only from what was said before it).

The model is shown the normal form of a row, which the project's own code makes:
`cargo run --release --example normal_form`.
"""

import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import List

HERE = Path(__file__).resolve().parent
ROWS = HERE / "rows"
SIDES = ("business", "off_topic", "continuing")
# Of so many kinds of a file one takes no part in training: it says what the rest is worth. Which, the file's
# name decides, so that it is another one in each language.
HELD_OUT_EVERY = 9


@dataclass(frozen=True)
class Row:
    """A message, in its normal form."""

    text: str
    language: str
    side: str
    kind: str
    held_out: bool


def read_rows(folder: Path = ROWS) -> List[Row]:
    """All rows, each text once: the files by name, the rows in order."""
    found = [row for path in sorted(folder.glob("*.txt")) for row in _read(path)]
    texts = normal_forms([row.text for row in found])
    met = set()
    rows = []
    for row, text in zip(found, texts):
        if text and text not in met:
            met.add(text)
            rows.append(Row(text, row.language, row.side, row.kind, row.held_out))
    return rows


def _read(path: Path) -> List[Row]:
    language, side, _ = path.name.split(".")
    if side not in SIDES:
        raise SystemExit(f"{path}: the side is {side!r}, expected one of {', '.join(SIDES)}")
    rows, kind, kinds = [], None, 0
    held_out_first = zlib.crc32(path.name.encode("ascii")) % HELD_OUT_EVERY
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if line.startswith("# "):
            kind, kinds = line[2:], kinds + 1
        elif line and kind is None:
            raise SystemExit(f"{path}:{number}: a row before the first heading `# kind`")
        elif line:
            held_out = kinds % HELD_OUT_EVERY == held_out_first
            rows.append(Row(line, language, side, kind, held_out))
    return rows


def normal_forms(texts: List[str]) -> List[str]:
    """The texts as the model is shown them."""
    command = ["cargo", "run", "--release", "--quiet", "--locked", "--example", "normal_form"]
    lines = "".join(text + "\n" for text in texts).encode("utf-8")
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, check=True, cwd=HERE)
    normal = done.stdout.decode("utf-8").split("\n")[:-1]
    if len(normal) != len(texts):
        raise SystemExit(f"{len(texts)} texts have {len(normal)} normal forms")
    return normal
