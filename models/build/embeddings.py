"""Writes `embeddings.safetensors`: what the token embeddings are made of.

    word.nibbles  U8 [pieces, 192], word.scales F16 [pieces, 12]
    position      F32 [512, 384], position and token type added up
    norm.scale    F32 [384], norm.bias F32 [384]

The words are the source's own 4-bit blocks, so nothing is lost: of the 16
bytes of a block, byte `j` holds weight `j` in its low and weight `j + 16` in
its high four bits; a weight is `(nibble - 8) * scale`. Sixteen bytes give two
runs of sixteen weights that way, which vector instructions unpack as they are.
"""

from typing import Dict

import numpy as np

from tensors import tensor_file
from weights import BLOCK, Blocks, Source


def embeddings_file(source: Source) -> bytes:
    """The whole file."""
    width = source.config.hidden
    pieces = len(source.vocabulary.pieces)
    words = source.blocks("emb.word", width)
    positions = source.vector("emb.pos").reshape(-1, width)
    kind = source.vector("emb.type").reshape(-1, width)[0]
    tensors = {
        "word.nibbles": packed(words.nibbles[:pieces]),
        "word.scales": words.scales[:pieces],
        "position": positions + kind,
        "norm.scale": source.vector("emb.ln.w"),
        "norm.bias": source.vector("emb.ln.b"),
    }
    return tensor_file(tensors, {})


def packed(nibbles: np.ndarray) -> np.ndarray:
    """Two nibbles to the byte, `[rows, columns / 2]`."""
    rows, columns = nibbles.shape
    blocks = nibbles.reshape(rows, columns // BLOCK, BLOCK)
    low, high = np.split(blocks, 2, axis=2)
    return (low | high << 4).reshape(rows, columns // 2)


def unpacked(tensors: Dict[str, np.ndarray]) -> np.ndarray:
    """The words of a file's tensors as float32 `[pieces, columns]`."""
    rows, half = tensors["word.nibbles"].shape
    blocks = tensors["word.nibbles"].reshape(rows, -1, BLOCK // 2)
    nibbles = np.concatenate([blocks & 15, blocks >> 4], axis=2).reshape(rows, 2 * half)
    return Blocks(nibbles, tensors["word.scales"]).dequantised()
