"""Computes the vectors and token ids that tests compare with.

They come from the fp32 graphs, so that they do not move with the quantisation
or with the CPU's integer instructions.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

import numpy as np
import onnx
import onnxruntime
from tokenizers import Tokenizer

from graphs import encoder_graph, static_graph
from tokenizer import PREFIX, kept_ids, tokenizer_json
from weights import Source

TEXTS = "texts.jsonl"
TOKENS = "tokens.jsonl"
PAD = 1


@dataclass(frozen=True)
class Vectors:
    """The three vectors of each text, `[texts, 384]`, L2-normalised."""

    static: np.ndarray
    layer_6: np.ndarray
    sentence: np.ndarray


class Model:
    """A static and an encoder graph, run one text at a time."""

    def __init__(self, static: onnx.ModelProto, encoder: onnx.ModelProto) -> None:
        self.static = session(static)
        self.encoder = session(encoder)

    def vectors(self, rows: List[List[int]], padding: int = 0) -> Vectors:
        """Embeds each row of token ids, with so many padding tokens behind it."""
        columns = zip(*(self._one(row, padding) for row in rows))
        return Vectors(*(np.concatenate(column) for column in columns))

    def _one(self, row: List[int], padding: int) -> List[np.ndarray]:
        ids = np.array([row + [PAD] * padding], np.int64)
        mask = np.array([[1] * len(row) + [0] * padding], np.int64)
        tokens, static = self.static.run(
            ["token_embeddings", "static_embedding"], {"input_ids": ids, "attention_mask": mask}
        )
        middle, sentence = self.encoder.run(
            ["layer_6_embedding", "sentence_embedding"],
            {"token_embeddings": tokens, "attention_mask": mask},
        )
        return [static, middle, sentence]


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session as the proxy makes it: one thread, no spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def fp32_model(source: Source) -> Model:
    """The model without quantised activations or matrices."""
    kept = kept_ids(source.vocabulary)
    return Model(
        static_graph(source, kept, quantised=False), encoder_graph(source, quantised=False)
    )


def read_texts(folder: Path) -> List[str]:
    """The texts of `texts.jsonl`, in order."""
    lines = (folder / TEXTS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def token_ids(source: Source, texts: List[str]) -> List[List[int]]:
    """The ids of each text behind the prefix, with `<s>` and `</s>`."""
    data = tokenizer_json(source.vocabulary, kept_ids(source.vocabulary))
    tokenizer = Tokenizer.from_str(data.decode("utf-8"))
    tokenizer.enable_truncation(source.config.positions)
    return [tokenizer.encode(PREFIX + text).ids for text in texts]


def tokens_jsonl(ids: List[List[int]]) -> bytes:
    """The token ids as JSON Lines, a text a line."""
    rows = [json.dumps({"ids": row}, separators=(",", ":")) + "\n" for row in ids]
    return "".join(rows).encode("ascii")


def reference_files(source: Source, folder: Path) -> Dict[str, bytes]:
    """Every reference file made from the folder's texts, by name."""
    ids = token_ids(source, read_texts(folder))
    vectors = fp32_model(source).vectors(ids)
    return {
        TOKENS: tokens_jsonl(ids),
        "static.f32": vectors.static.astype("<f4").tobytes(),
        "layer_6.f32": vectors.layer_6.astype("<f4").tobytes(),
        "sentence.f32": vectors.sentence.astype("<f4").tobytes(),
    }
