"""Makes `general.safetensors`: what any shop is asked and what none is, as two small networks.

    NETWORK.hidden  F32 [units, inputs], NETWORK.hidden_bias F32 [units]
    NETWORK.out     F32 [4, units],      NETWORK.out_bias    F32 [4]
    reference.vectors  F16 [references, 768], of rows that took no part in training
    reference.known    U8 [references], 0 off-topic, 1 business, 2 continuing
    reference.texts    U8, a row a line

`static` reads a text's static vector, `full` that and the encoder's behind it, as the
program gives them. Between the two layers are rectified units. The four outputs are
log-odds: that a text is a shop's business, that it may be said in a conversation about
business, that it is small talk, and that it is neither Chinese nor English. The first two
are calibrated on the kinds of rows that were held out (Platt 1999), so that both sides
count alike there.
"""

import os
from dataclasses import dataclass
from typing import Dict, List

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")

import jax
import jax.numpy as jnp
import numpy as np
import optax

from references import Model
from rows import Row
from tensors import tensor_file
from weights import Source
from words import tokenizer

UNITS = {"static": 128, "full": 256}
EPOCHS = 10
BATCH = 256
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.05
DROPOUT = 0.3
SEED = 7
# Unit vectors of one model all point roughly one way: what is left is brought to about one.
SCALE = 6.0
# Stands alone it is business as far as it goes.
CONTINUING_WEIGHT = 0.3
# Small talk is rare; so much more each of its rows counts.
SMALL_TALK_WEIGHT = 5.0
MOST_TOKENS = 512
REFERENCES = {"off_topic": 1200, "business": 1200, "continuing": 300}
KNOWN = {"off_topic": 0, "business": 1, "continuing": 2}


@dataclass(frozen=True)
class Network:
    """Log-odds of inputs, a row each: `max(x · hidden + hidden_bias, 0) · out + out_bias`."""

    hidden: np.ndarray
    hidden_bias: np.ndarray
    out: np.ndarray
    out_bias: np.ndarray

    def log_odds(self, inputs: np.ndarray) -> np.ndarray:
        return np.maximum(inputs @ self.hidden + self.hidden_bias, 0) @ self.out + self.out_bias


def general_file(source: Source, model: Model, rows: List[Row]) -> bytes:
    """The whole file; prints how well the networks do on what they never saw."""
    encode = tokenizer(source)
    vectors = model.vectors([encode(row.text)[:MOST_TOKENS] for row in rows])
    full = np.concatenate([vectors.static, vectors.sentence], axis=1)
    return networks_file({"static": vectors.static, "full": full}, rows)


def networks_file(inputs: Dict[str, np.ndarray], rows: List[Row]) -> bytes:
    """The file of networks over `inputs`, a row a row of `rows`."""
    tensors: Dict[str, np.ndarray] = {}
    for name, of_rows in inputs.items():
        network = calibrated(train(of_rows, rows, UNITS[name]), of_rows, rows)
        report(name, network.log_odds(of_rows), rows)
        tensors[f"{name}.hidden"] = np.ascontiguousarray(network.hidden.T, np.float32)
        tensors[f"{name}.hidden_bias"] = network.hidden_bias.astype(np.float32)
        tensors[f"{name}.out"] = np.ascontiguousarray(network.out.T, np.float32)
        tensors[f"{name}.out_bias"] = network.out_bias.astype(np.float32)
    chosen = references(rows)
    tensors["reference.vectors"] = inputs["full"][chosen].astype(np.float16)
    tensors["reference.known"] = np.array([KNOWN[rows[i].side] for i in chosen], np.uint8)
    texts = "".join(rows[index].text + "\n" for index in chosen)
    tensors["reference.texts"] = np.frombuffer(texts.encode("utf-8"), np.uint8)
    return tensor_file(tensors, {})


def references(rows: List[Row]) -> List[int]:
    """So many rows of each side, spread evenly over those that were held out."""
    chosen = []
    for side, most in REFERENCES.items():
        held_out = [i for i, row in enumerate(rows) if row.held_out and row.side == side]
        most = min(most, len(held_out))
        chosen += [held_out[place * len(held_out) // most] for place in range(most)]
    return chosen


def labels(rows: List[Row]) -> tuple:
    """What each output should say of each row, and how much that counts."""
    off = np.array([row.side == "off_topic" for row in rows])
    continuing = np.array([row.side == "continuing" for row in rows])
    talk = np.array([row.kind == "small_talk" for row in rows])
    other = np.array([row.language not in ("zh", "en") for row in rows])
    wanted = np.stack([~off, ~off, talk, other], axis=1).astype(np.float32)
    weights = np.ones_like(wanted)
    weights[continuing, 0] = CONTINUING_WEIGHT
    weights[talk, 2] = SMALL_TALK_WEIGHT
    learned = np.array([not row.held_out for row in rows])
    for column in range(2):
        for side in (off, ~off):
            weights[side, column] *= 0.5 * learned.sum() / weights[side & learned, column].sum()
    return wanted, weights


def train(inputs: np.ndarray, rows: List[Row], units: int) -> Network:
    """A network over the rows that are not held out, by AdamW, with dropout."""
    wanted, weights = labels(rows)
    learned = np.array([not row.held_out for row in rows])
    centre = inputs[learned].mean(0)
    x, y, w = (inputs[learned] - centre) * SCALE, wanted[learned], weights[learned]
    random = np.random.default_rng(SEED)
    width, outputs = x.shape[1], y.shape[1]
    params = {
        "hidden": random.normal(0, width**-0.5, (width, units)),
        "hidden_bias": np.zeros(units),
        "out": random.normal(0, units**-0.5, (units, outputs)),
        "out_bias": np.zeros(outputs),
    }
    params = {name: jnp.asarray(value, jnp.float32) for name, value in params.items()}
    steps = EPOCHS * (len(x) // BATCH)
    optimiser = optax.adamw(
        optax.cosine_decay_schedule(LEARNING_RATE, steps), weight_decay=WEIGHT_DECAY
    )
    state = optimiser.init(params)

    def kept(key: jax.Array, x: jnp.ndarray) -> jnp.ndarray:
        return x * jax.random.bernoulli(key, 1 - DROPOUT, x.shape) / (1 - DROPOUT)

    def loss(params: Dict, x: jnp.ndarray, y: jnp.ndarray, w: jnp.ndarray, key: jax.Array):
        first, second = jax.random.split(key)
        hidden = jax.nn.relu(kept(first, x) @ params["hidden"] + params["hidden_bias"])
        out = kept(second, hidden) @ params["out"] + params["out_bias"]
        return (optax.sigmoid_binary_cross_entropy(out, y) * w).mean()

    @jax.jit
    def step(params: Dict, state: optax.OptState, x, y, w, key: jax.Array):
        updates, state = optimiser.update(jax.grad(loss)(params, x, y, w, key), state, params)
        return optax.apply_updates(params, updates), state

    key = jax.random.PRNGKey(SEED)
    for _ in range(EPOCHS):
        order = random.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            some = order[start : start + BATCH]
            key, of_step = jax.random.split(key)
            params, state = step(params, state, x[some], y[some], w[some], of_step)
    found = {name: np.asarray(value, np.float64) for name, value in params.items()}
    # What was done to the inputs becomes a part of the first layer.
    found["hidden_bias"] -= SCALE * centre @ found["hidden"]
    found["hidden"] *= SCALE
    return Network(**found)


def calibrated(network: Network, inputs: np.ndarray, rows: List[Row]) -> Network:
    """The network, its first two outputs made log-odds on the kinds that were held out."""
    wanted, _ = labels(rows)
    out = network.log_odds(inputs)
    held_out = np.array([row.held_out for row in rows])
    continuing = np.array([row.side == "continuing" for row in rows])
    scales, offsets = np.ones(wanted.shape[1]), np.zeros(wanted.shape[1])
    for column, of in ((0, held_out & ~continuing), (1, held_out)):
        scales[column], offsets[column] = logistic(out[of, column], wanted[of, column] > 0)
    return Network(
        network.hidden,
        network.hidden_bias,
        network.out * scales,
        network.out_bias * scales + offsets,
    )


def logistic(values: np.ndarray, truth: np.ndarray) -> tuple:
    """Slope and offset of a logistic regression on one number, both sides counted alike."""
    weights = np.where(truth, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    fit = np.array([1.0, 0.0])
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(fit[0] * values + fit[1], -500, 500)))
        x = np.stack([values, np.ones_like(values)])
        gradient = x @ (weights * (p - truth))
        curvature = (x * (weights * p * (1 - p))) @ x.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        # A bounded step keeps Newton's method from overshooting.
        fit = fit - step * min(1.0, 1.0 / np.linalg.norm(step))
    return fit[0], fit[1]


def report(name: str, log_odds: np.ndarray, rows: List[Row]) -> None:
    """Of the kinds that were held out: business below and off-topic above even odds, by language."""
    groups: Dict[str, List[List[bool]]] = {}
    for row, value in zip(rows, log_odds[:, 0]):
        if row.held_out and row.side != "continuing":
            for language in ("all", row.language):
                sides = groups.setdefault(language, [[], []])
                sides[row.side == "off_topic"].append((value < 0) == (row.side == "business"))
    for language, (business, off) in sorted(groups.items()):
        shares = [100 * np.mean(side) if side else float("nan") for side in (business, off)]
        print(
            f"{name}, held out, {language}: {shares[0]:.1f} % of {len(business)} business below even odds, "
            f"{shares[1]:.1f} % of {len(off)} off-topic above"
        )
