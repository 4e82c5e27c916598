"""Text → token ids and static token embeddings, as the program makes them."""

from typing import Callable, List

import numpy as np
from tokenizers import Tokenizer

from tokenizer import tokenizer_json
from weights import Source


def tokenizer(source: Source) -> Callable[[str], List[int]]:
    """A function from a text to its ids, marks included; no prefix."""
    data = tokenizer_json(source.vocabulary)
    inner = Tokenizer.from_str(data.decode("utf-8"))
    return lambda text: inner.encode(text).ids


class StaticWords:
    """Layer 0: layer norm of word + position + type."""

    def __init__(self, source: Source) -> None:
        self.width = source.config.hidden
        self._words = source.blocks("emb.word", self.width)
        positions = source.vector("emb.pos").reshape(-1, self.width)
        kind = source.vector("emb.type").reshape(-1, self.width)[0]
        self._positions = positions + kind
        self._scale, self._bias = source.vector("emb.ln.w"), source.vector("emb.ln.b")

    def embed(self, ids: np.ndarray) -> np.ndarray:
        """`[tokens, width]`."""
        values = self._words.nibbles[ids].astype(np.float32) - np.float32(8)
        values = values.reshape(len(ids), -1, 32)
        values *= self._words.scales[ids].astype(np.float32)[:, :, None]
        values = values.reshape(len(ids), self.width) + self._positions[: len(ids)]
        values -= values.mean(1, keepdims=True)
        values /= np.sqrt((values**2).mean(1, keepdims=True) + 1e-9)
        return values * self._scale + self._bias

    @staticmethod
    def pool(hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The unit mean of each text's tokens."""
        pooled = (hidden * mask[:, :, None]).sum(1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
