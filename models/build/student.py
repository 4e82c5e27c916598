"""Trains the encoder that ships: six layers, made from the source's first six.

    python models/build/student.py --out target/model/student.safetensors

Two things are learned at once, over the rows of `rows.py` that are not held out. What any
shop is asked and what none is: cross-entropy of a small network over the static and the
pooled vector. And the source's own geometry, so that a shop's intents stay apart as they do
by its twelve layers: the pooled vector, through one linear map, is drawn to the source's
vectors after the sixth and the last layer, and the similarities within a batch to theirs
(Sanh et al. 2019, "DistilBERT"; Park et al. 2019, "Relational Knowledge Distillation").
Word and position embeddings stay as they are, and the student reads a text without the
source's prefix.

The same packages on the same kind of CPU give the same numbers.
"""

import argparse
import os
import time
from functools import partial
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

# One order of summation, whatever the number of processors is.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rows import Row, read_rows
from tensors import tensor_file
from teacher import TEACHER_WEIGHTS, teacher_vectors
from weights import Source, read_source
from words import StaticWords, tokenizer

LAYERS = 6
MOST_TOKENS = 64
LENGTHS = (8, 12, 16, 20, 24, 32, 48, MOST_TOKENS)
BATCH = 32
HIDDEN = 256
SEED = 7
EPOCHS = 4
LEARNING_RATE = 2e-4
# Beside the cross-entropy, which counts once.
COSINE_WEIGHT = 2.0
SIMILARITY_WEIGHT = 16.0
# What is clear only from what was said before it is business where it stands alone, too, as far as it goes.
CONTINUING_WEIGHT = 0.3
# So many rows are learned a second time, with a slip of the pen; they are drawn to what the source makes of the
# row without it.
SLIPS = 0.25
LEAST_LETTERS = 10

PARTS = ("q", "k", "v", "ao", "fi", "fo")
NORMS = ("aln", "oln")


class Texts(NamedTuple):
    """What is learned from, a text a row."""

    tokens: List[np.ndarray]
    # Whether it is business, and whether it may be said in a conversation about business; and how much each counts.
    labels: np.ndarray
    weights: np.ndarray
    teacher: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keep the source's vectors here")
    arguments = parser.parse_args()
    source = read_source()
    rows = [row for row in read_rows() if not row.held_out]
    texts = learned_from(source, rows, arguments.cache)
    params = train(source, texts, arguments.epochs)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(tensor_file(flat(params["layers"]), {}))
    print(f"{arguments.out}: {len(rows)} rows, {arguments.epochs} epochs")


def learned_from(source: Source, rows: List[Row], cache: Path | None) -> Texts:
    """Tokens, labels and the source's vectors of the rows."""
    texts = [row.text for row in rows]
    teacher = teacher_vectors(source, texts, cache)
    random = np.random.default_rng(SEED)
    slipped = [i for i, row in enumerate(rows) if can_slip(row.text) and random.random() < SLIPS]
    texts += [with_slip(rows[i].text, random) for i in slipped]
    rows, teacher = rows + [rows[i] for i in slipped], np.concatenate([teacher, teacher[slipped]])
    encode = tokenizer(source)
    tokens = [np.array(encode(text)[:MOST_TOKENS], np.int32) for text in texts]
    sides = np.array([row.side for row in rows])
    off = sides == "off_topic"
    continuing = sides == "continuing"
    labels = np.stack([~off, ~off], axis=1).astype(np.float32)
    weights = np.ones_like(labels)
    weights[continuing, 0] = CONTINUING_WEIGHT
    # Both sides count alike.
    for column in range(2):
        for side in (off, ~off):
            weights[side, column] *= 0.5 * len(rows) / weights[side, column].sum()
    return Texts(tokens, labels, weights, teacher)


def can_slip(text: str) -> bool:
    """Whether it is in letters; Chinese slips are of another kind, and written as rows."""
    letters = sum(c.isalpha() and ord(c) < 0x2E80 for c in text)
    return letters >= LEAST_LETTERS


def with_slip(text: str, random: np.random.Generator) -> str:
    """Two neighbours swapped, or a letter left out, doubled or replaced by one of the text's own."""
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha()]
    at = places[random.integers(len(places))]
    return (
        lambda: text[: at] + text[at + 1] + text[at] + text[at + 2 :],
        lambda: text[:at] + text[at + 1 :],
        lambda: text[:at] + text[at] + text[at:],
        lambda: text[:at] + text[places[random.integers(len(places))]] + text[at + 1 :],
    )[random.integers(4)]()


def initial(source: Source) -> Dict:
    """The source's first layers, stacked; and what is new."""
    config = source.config
    layers = {}
    for part in PARTS:
        width = config.feed_forward if part == "fo" else config.hidden
        layers[f"{part}.w"] = np.stack(
            [source.matrix(f"l{i}.{part}.w", width).T for i in range(LAYERS)]
        )
        layers[f"{part}.b"] = np.stack([source.vector(f"l{i}.{part}.b") for i in range(LAYERS)])
    for part in NORMS:
        for end in ("w", "b"):
            layers[f"{part}.{end}"] = np.stack(
                [source.vector(f"l{i}.{part}.{end}") for i in range(LAYERS)]
            )
    random = np.random.default_rng(SEED)
    width, outputs = config.hidden, len(TEACHER_WEIGHTS) * config.hidden

    def normal(*shape: int) -> np.ndarray:
        return random.normal(0, shape[0] ** -0.5, shape).astype(np.float32)

    return jax.tree.map(
        jnp.asarray,
        {
            "layers": layers,
            "map": {"w": normal(width, outputs), "b": np.zeros(outputs, np.float32)},
            "head": {
                "w1": normal(2 * width, HIDDEN),
                "b1": np.zeros(HIDDEN, np.float32),
                "w2": normal(HIDDEN, 2),
                "b2": np.zeros(2, np.float32),
            },
        },
    )


def unit(x: jnp.ndarray) -> jnp.ndarray:
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=-1, keepdims=True) + 1e-12)


def norm(x: jnp.ndarray, scale: jnp.ndarray, bias: jnp.ndarray) -> jnp.ndarray:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-9) * scale + bias


def encode(layers: Dict, hidden: jnp.ndarray, mask: jnp.ndarray, heads: int) -> jnp.ndarray:
    """Token embeddings `[texts, tokens, width]` → the unit mean of the last layer."""
    texts, tokens, width = hidden.shape
    bias = (1.0 - mask)[:, None, None, :] * -1e9

    def split(x: jnp.ndarray) -> jnp.ndarray:
        return x.reshape(texts, tokens, heads, width // heads).transpose(0, 2, 1, 3)

    def layer(hidden: jnp.ndarray, p: Dict) -> Tuple[jnp.ndarray, None]:
        q, k, v = (split(hidden @ p[f"{part}.w"] + p[f"{part}.b"]) for part in "qkv")
        scores = q @ k.transpose(0, 1, 3, 2) * (width // heads) ** -0.5 + bias
        context = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(texts, tokens, width)
        hidden = norm(
            hidden + context @ p["ao.w"] + p["ao.b"], p["aln.w"], p["aln.b"]
        )
        inner = jax.nn.gelu(hidden @ p["fi.w"] + p["fi.b"], approximate=False)
        return norm(hidden + inner @ p["fo.w"] + p["fo.b"], p["oln.w"], p["oln.b"]), None

    hidden, _ = jax.lax.scan(layer, hidden, layers)
    return unit((hidden * mask[:, :, None]).sum(1))


def loss(params: Dict, batch: Tuple, centres: Tuple, heads: int) -> jnp.ndarray:
    hidden, mask, static, labels, weights, teacher = batch
    vector = encode(params["layers"], hidden, mask, heads)
    # The unit vectors of one model all point roughly one way; what is left is small.
    seen = jnp.concatenate([(static - centres[0]) * 4.0, (vector - centres[1]) * 4.0], axis=1)
    head = params["head"]
    logits = jnp.tanh(seen @ head["w1"] + head["b1"]) @ head["w2"] + head["b2"]
    entropy = (optax.sigmoid_binary_cross_entropy(logits, labels) * weights).mean()
    mapped = unit((vector - centres[1]) @ params["map"]["w"] + params["map"]["b"])
    cosine = (1.0 - (mapped * teacher).sum(1)).mean()
    similarity = ((mapped @ mapped.T - teacher @ teacher.T) ** 2).mean()
    return entropy + COSINE_WEIGHT * cosine + SIMILARITY_WEIGHT * similarity


def batches(texts: Texts, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Indices of texts of about one length, in a new order each time."""
    order = random.permutation(len(texts.tokens))
    lengths = np.array([len(row) for row in texts.tokens])
    some = 64 * BATCH
    chunks = [order[i : i + some] for i in range(0, len(order), some)]
    chunks = [chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks]
    found = [c[i : i + BATCH] for c in chunks for i in range(0, len(c), BATCH)]
    found = [batch for batch in found if len(batch) == BATCH]
    for index in random.permutation(len(found)):
        yield found[index]


def padded(words: StaticWords, tokens: List[np.ndarray]) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Token embeddings and mask of texts, and their static vectors."""
    longest = max(len(row) for row in tokens)
    length = next(length for length in LENGTHS if length >= longest)
    hidden = np.zeros((len(tokens), length, words.width), np.float32)
    mask = np.zeros((len(tokens), length), np.float32)
    for index, row in enumerate(tokens):
        hidden[index, : len(row)] = words.embed(row)
        mask[index, : len(row)] = 1.0
    return hidden, mask, words.pool(hidden, mask)


def train(source: Source, texts: Texts, epochs: int) -> Dict:
    words = StaticWords(source)
    heads = source.config.heads
    params = initial(source)
    first = [padded(words, texts.tokens[i : i + BATCH]) for i in range(0, 64 * BATCH, BATCH) if texts.tokens[i : i + BATCH]]
    pool = jax.jit(partial(encode, heads=heads))
    centres = (
        np.concatenate([static for _, _, static in first]).mean(0),
        np.concatenate([pool(params["layers"], h, m) for h, m, _ in first]).mean(0),
    )
    steps = epochs * (len(texts.tokens) // BATCH)
    schedule = optax.warmup_cosine_decay_schedule(0.0, LEARNING_RATE, steps // 10, steps)
    optimiser = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=0.01)
    )
    state = optimiser.init(params)

    @jax.jit
    def step(params: Dict, state: optax.OptState, batch: Tuple) -> Tuple:
        value, gradient = jax.value_and_grad(loss)(params, batch, centres, heads)
        updates, state = optimiser.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    random = np.random.default_rng(SEED)
    start, seen = time.monotonic(), []
    for epoch in range(epochs):
        for indices in batches(texts, random):
            hidden, mask, static = padded(words, [texts.tokens[i] for i in indices])
            batch = (hidden, mask, static, texts.labels[indices], texts.weights[indices], texts.teacher[indices])
            params, state, value = step(params, state, batch)
            seen.append(value)
            if len(seen) % 50 == 0:
                mean = float(np.mean([float(value) for value in seen[-50:]]))
                print(f"epoch {epoch} step {len(seen)} of {steps}: loss {mean:.4f}, {time.monotonic() - start:.0f} s", flush=True)
    return params


def flat(layers: Dict) -> Dict[str, np.ndarray]:
    """The layers by the names that the source uses; matrices `[outputs, inputs]`."""
    tensors = {}
    for name, stacked in layers.items():
        for index, value in enumerate(np.asarray(stacked)):
            value = value.T if value.ndim == 2 else value
            tensors[f"l{index}.{name}"] = np.ascontiguousarray(value)
    return tensors


if __name__ == "__main__":
    main()
