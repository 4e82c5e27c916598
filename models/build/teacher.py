"""The source's own vectors of texts: what the student is drawn to."""

import hashlib
from pathlib import Path
from typing import List

import numpy as np

from graphs import SOURCE_OUTPUTS, encoder_graph
from references import session
from tokenizer import SOURCE_PREFIX
from weights import Source
from words import StaticWords, tokenizer

# After the sixth and the last layer, and how much each counts.
TEACHER_WEIGHTS = {"layer_6_embedding": 0.7, "sentence_embedding": 1.0}
BATCH = 32
MOST_TOKENS = 68


def teacher_vectors(source: Source, texts: List[str], cache: Path | None) -> np.ndarray:
    """`[texts, 768]`, unit vectors around their middle. Those of before are taken from `cache`."""
    known = dict(np.load(cache)) if cache is not None and cache.exists() else {}
    keys = [hashlib.sha256(text.encode("utf-8")).hexdigest()[:24] for text in texts]
    old = {key: row for key, row in zip(known.get("keys", []), known.get("vectors", []))}
    new = [index for index, key in enumerate(keys) if key not in old]
    made = _run(source, [texts[index] for index in new])
    old.update({keys[index]: row for index, row in zip(new, made)})
    if cache is not None and new:
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, keys=np.array(list(old)), vectors=np.stack(list(old.values())))
    vectors = np.stack([old[key] for key in keys])
    vectors -= vectors.mean(0)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _run(source: Source, texts: List[str]) -> np.ndarray:
    words, encode = StaticWords(source), tokenizer(source)
    graph = session(encoder_graph(source, SOURCE_OUTPUTS, quantised=False), threads=2)
    ids = [np.array(encode(SOURCE_PREFIX + text)[:MOST_TOKENS]) for text in texts]
    order = sorted(range(len(ids)), key=lambda index: (len(ids[index]), index))
    vectors = np.zeros((len(ids), len(TEACHER_WEIGHTS) * words.width), np.float32)
    for start in range(0, len(order), BATCH):
        some = order[start : start + BATCH]
        length = max(len(ids[index]) for index in some)
        hidden = np.zeros((len(some), length, words.width), np.float32)
        mask = np.zeros((len(some), length), np.int64)
        for place, index in enumerate(some):
            hidden[place, : len(ids[index])] = words.embed(ids[index])
            mask[place, : len(ids[index])] = 1
        outputs = graph.run(
            list(TEACHER_WEIGHTS), {"token_embeddings": hidden, "attention_mask": mask}
        )
        weighed = [weight * out for weight, out in zip(TEACHER_WEIGHTS.values(), outputs)]
        vectors[some] = np.concatenate(weighed, axis=1)
        if start // BATCH % 100 == 0:
            print(f"source: {start} of {len(order)}", flush=True)
    return vectors
