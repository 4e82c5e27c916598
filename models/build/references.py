"""Computes the vectors and token ids that tests compare with.

They come from the embeddings and the encoder in fp32, so that they do not move
with the quantisation or with the CPU's integer instructions.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List

import numpy as np
import onnx
import onnxruntime
from tokenizers import Tokenizer

from graphs import SOURCE_OUTPUTS, STUDENT_OUTPUTS, encoder_graph
from tokenizer import tokenizer_json
from weights import Source, Student
from words import StaticWords

TEXTS = "texts.jsonl"
TOKENS = "tokens.jsonl"
PAD = 1


@dataclass(frozen=True)
class Vectors:
    """The vectors of each text, `[texts, 384]`, L2-normalised."""

    static: np.ndarray
    sentence: np.ndarray


class Model:
    """Token embeddings and an encoder graph, run one text at a time."""

    def __init__(self, words: StaticWords, encoder: onnx.ModelProto) -> None:
        self.words = words
        self.encoder = session(encoder)

    def vectors(self, rows: List[List[int]], padding: int = 0) -> Vectors:
        """Embeds each row of token ids, with so many padding tokens behind it."""
        columns = zip(*(self._one(row, padding) for row in rows))
        return Vectors(*(np.concatenate(column) for column in columns))

    def _one(self, row: List[int], padding: int) -> List[np.ndarray]:
        hidden = self.words.embed(np.array(row + [PAD] * padding))[None]
        mask = np.array([[1] * len(row) + [0] * padding], np.int64)
        (sentence,) = self.encoder.run(
            ["sentence_embedding"], {"token_embeddings": hidden, "attention_mask": mask}
        )
        return [self.words.pool(hidden, mask.astype(np.float32)), sentence]


def session(model: onnx.ModelProto, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session as the proxy makes it: no spinning, and one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def fp32_model(source: Source, student: Student) -> Model:
    """The model without quantised activations or matrices."""
    return Model(StaticWords(source), encoder_graph(student, STUDENT_OUTPUTS, quantised=False))


def source_model(source: Source) -> Model:
    """The source's twelve layers in fp32."""
    return Model(StaticWords(source), encoder_graph(source, SOURCE_OUTPUTS, quantised=False))


def read_texts(folder: Path) -> List[str]:
    """The texts of `texts.jsonl`, in order."""
    lines = (folder / TEXTS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def token_ids(source: Source, texts: List[str], prefix: str = "") -> List[List[int]]:
    """The ids of each text behind a prefix, with `<s>` and `</s>`."""
    data = tokenizer_json(source.vocabulary)
    tokenizer = Tokenizer.from_str(data.decode("utf-8"))
    tokenizer.enable_truncation(source.config.positions)
    return [tokenizer.encode(prefix + text).ids for text in texts]


def tokens_jsonl(ids: List[List[int]]) -> bytes:
    """The token ids as JSON Lines, a text a line."""
    rows = [json.dumps({"ids": row}, separators=(",", ":")) + "\n" for row in ids]
    return "".join(rows).encode("ascii")


def reference_files(source: Source, student: Student, folder: Path) -> Dict[str, bytes]:
    """Every reference file made from the folder's texts, by name."""
    ids = token_ids(source, read_texts(folder))
    vectors = fp32_model(source, student).vectors(ids)
    return {
        TOKENS: tokens_jsonl(ids),
        "static.f32": vectors.static.astype("<f4").tobytes(),
        "sentence.f32": vectors.sentence.astype("<f4").tobytes(),
    }
