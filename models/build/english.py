"""Makes `src/text/english.txt`: English words, by which slips of spelling are mended.

    python models/build/english.py            writes it
    python models/build/english.py --check    holds it against the rows; 1 where it differs

The words of the English rows in alphabetical order, each with the number of rows it stands
in. Rows that are misspelt on purpose teach no spelling.
Needs nothing beyond Python. To be made again after an edit of rows.
"""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROWS = HERE / "rows"
WORDS = HERE.parent.parent / "src" / "text" / "english.txt"
MISSPELT = {"spelling_slips", "slips_and_hurry", "broken_english"}
# Slips in the other rows.
SLIPS = set(
    "adress calender cancle definately lettters neccessary pasword recieve recieved recived retirment seperate teh "
    "thansk vintgae wich writting".split()
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    words = word_list()
    if not arguments.check:
        WORDS.write_text(words, encoding="utf-8")
    elif WORDS.read_text(encoding="utf-8") != words:
        sys.exit(f"{WORDS}: differs from what the rows give; make it again")
    print(f"{WORDS}: {words.count(chr(10)):,} words, {len(words):,} bytes")


def word_list() -> str:
    """The whole file."""
    rows = Counter()
    for path in sorted(ROWS.glob("en.*.txt")):
        kind = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                kind = line[2:].strip()
            elif kind not in MISSPELT:
                rows.update(set(re.findall("[a-z]+", line.lower())))
    return "".join(f"{word} {rows[word]}\n" for word in sorted(rows.keys() - SLIPS))


if __name__ == "__main__":
    main()
