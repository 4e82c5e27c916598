"""Checks the built model against the package's own engine and against itself.

    python models/build/verify.py --check models/multilingual-e5-small \
                                  --references tests/reference

- The files of `--check` are, byte for byte, what a fresh build makes.
- The word table is the engine's, bit for bit, and the trie finds every piece.
- The fp32 form gives the vectors of the package's engine, which is compiled
  here from its `e5.c`, once as it is and once with finer rounding.
- The quantised encoder stays near the fp32 one, alone and beside padding.
- The tokenizer cuts text as the engine does.
- The reference vectors and ids are those of the fp32 form.

Prints the figures it finds. Exits with 1 and names every text that fails.
"""

import argparse
import sys
import time
import unicodedata
from pathlib import Path
from typing import Dict, List

import numpy as np
import onnx

from build import model_files
from double_array import prefixes
from embeddings import unpacked
from engine import Engine
from references import (
    TOKENS,
    Model,
    Vectors,
    fp32_model,
    read_texts,
    source_model,
    token_ids,
    tokens_jsonl,
)
from tensors import read_tensors
from tokenizer import SOURCE_PREFIX, SPECIAL
from weights import Source, Student, package_folder, read_source
from words import StaticWords

ENGINE_COSINE = 0.9999
ENGINE_COSINE_8_BIT = 0.9998
STATIC_COSINE = 0.99999
QUANTISED_COSINE = 0.995
PADDED_COSINE = 0.99
PADDING = 16
SPEED_TOKENS = (8, 13, 32)
SPEED_RUNS = 200


class Report:
    """Prints figures and collects what is wrong with them."""

    def __init__(self) -> None:
        self.failures: List[str] = []

    def cosines(
        self, what: str, texts: List[str], left: np.ndarray, right: np.ndarray, least: float
    ) -> None:
        """Compares two rows of unit vectors per text."""
        values = (left.astype(np.float64) * right).sum(axis=1)
        print(f"{what}: cosine min {values.min():.6f}, mean {values.mean():.6f}")
        for text, value in zip(texts, values):
            # Written so that a NaN fails as well.
            if not value >= least:
                self.failures.append(f"{what}: cosine {value:.6f} < {least} for {text!r}")

    def same_bytes(self, folder: Path, files: Dict[str, bytes]) -> None:
        """Compares a folder's files with freshly built ones."""
        for name, data in files.items():
            path = folder / name
            if not path.is_file():
                self.failures.append(f"{path}: missing; build it")
            elif path.read_bytes() != data:
                self.failures.append(f"{path}: differs from a fresh build; build it again")
            else:
                print(f"{path}: {len(data):,} bytes, as built")


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--check", type=Path, metavar="DIR", default=here.parent / "multilingual-e5-small"
    )
    parser.add_argument(
        "--references",
        type=Path,
        metavar="DIR",
        default=here.parent.parent / "tests" / "reference",
    )
    parser.add_argument("--student", type=Path, metavar="FILE", required=True, help="what student.py made")
    arguments = parser.parse_args()
    source = read_source()
    student = Student(source.config, arguments.student.read_bytes())
    report = verify(source, student, arguments.check, arguments.references)
    for failure in report.failures:
        print(f"FAILED {failure}", file=sys.stderr)
    sys.exit(1 if report.failures else 0)


def verify(source: Source, student: Student, folder: Path, references: Path) -> Report:
    """Runs every check."""
    report = Report()
    files = model_files(source, student)
    report.same_bytes(folder, files)
    texts = read_texts(references)
    ids = token_ids(source, texts)
    fp32 = fp32_model(source, student).vectors(ids)
    source_ids = token_ids(source, texts, SOURCE_PREFIX)
    source_vectors = source_model(source).vectors(source_ids)
    quantised = Model(StaticWords(source), onnx.load_from_string(files["encoder.onnx"]))
    check_trie(report, source, files["tokenizer.safetensors"])
    with Engine(package_folder(), bits=16) as engine:
        check_words(report, engine, files["embeddings.safetensors"])
        check_tokens(report, source, engine, texts, source_ids)
        check_engine(report, engine, texts, source_ids, source_vectors, ENGINE_COSINE)
    with Engine(package_folder(), bits=8) as engine:
        check_engine(report, engine, texts, source_ids, source_vectors, ENGINE_COSINE_8_BIT)
    check_quantised(report, texts, quantised, ids, fp32)
    check_padding(report, texts, quantised, ids, fp32)
    report_speed(quantised, source, ids)
    check_references(report, references, texts, ids, fp32)
    return report


def check_trie(report: Report, source: Source, data: bytes) -> None:
    """Looks every piece up; special tokens must not be found."""
    tensors, _ = read_tensors(data)
    units = tensors["trie"].tolist()
    for index, piece in enumerate(source.vocabulary.pieces):
        key = piece.encode("utf-8")
        found = dict(prefixes(units, key)).get(len(key))
        if found != (None if piece in SPECIAL else index):
            report.failures.append(f"trie: {piece!r} is {found}, expected {index}")
    print(f"trie: {len(source.vocabulary.pieces)} pieces in {len(units)} units")


def check_words(report: Report, engine: Engine, data: bytes) -> None:
    """Compares the word table with what the engine makes of its own."""
    words = unpacked(read_tensors(data)[0])
    if not np.array_equal(words, engine.words(0, len(words))):
        report.failures.append("word table: not the engine's")
    print(f"word table: {words.shape[0]} x {words.shape[1]} weights compared with the engine's")


def check_tokens(
    report: Report, source: Source, engine: Engine, texts: List[str], ids: List[List[int]]
) -> None:
    """Compares ids with the engine's.

    Two ways to cut a text can score the same; then either is right. The engine
    gives each unknown character a token of its own, the tokenizer a run of them,
    and it does not put letters and their combining marks together.
    """
    scores = source.vocabulary.scores.astype(np.float64)
    unknown = source.vocabulary.unk
    compared = 0
    for text, row in zip(texts, ids):
        expected = engine.tokens(text)
        if unknown in expected or not unicodedata.is_normalized("NFC", text):
            continue
        compared += 1
        if row != expected and not np.isclose(
            scores[row].sum(), scores[expected].sum(), rtol=1e-6
        ):
            report.failures.append(f"tokenizer: ids of {text!r} are not the engine's")
    print(f"tokenizer: {compared} of {len(texts)} texts compared with the engine's ids")


def check_engine(
    report: Report,
    engine: Engine,
    texts: List[str],
    ids: List[List[int]],
    fp32: Vectors,
    least: float,
) -> None:
    """Compares sentence vectors with the engine's, for texts cut the same."""
    same = [i for i, text in enumerate(texts) if ids[i] == engine.tokens(text)]
    report.cosines(
        f"fp32 against the engine at {engine.bits} bits, sentence, {len(same)} texts",
        [texts[i] for i in same],
        fp32.sentence[same],
        np.stack([engine.embed(texts[i]) for i in same]),
        least,
    )


def check_quantised(
    report: Report, texts: List[str], model: Model, ids: List[List[int]], fp32: Vectors
) -> None:
    """Compares the quantised encoder with the fp32 one, one text at a time."""
    vectors = model.vectors(ids)
    compare(report, "quantised against fp32", texts, vectors, fp32, QUANTISED_COSINE)


def check_padding(
    report: Report, texts: List[str], model: Model, ids: List[List[int]], fp32: Vectors
) -> None:
    """Compares texts with padding behind them."""
    vectors = model.vectors(ids, padding=PADDING)
    compare(report, f"with {PADDING} padding tokens", texts, vectors, fp32, PADDED_COSINE)


def compare(
    report: Report, what: str, texts: List[str], vectors: Vectors, fp32: Vectors, least: float
) -> None:
    """Compares both vectors of each text."""
    report.cosines(f"{what}, static", texts, vectors.static, fp32.static, STATIC_COSINE)
    report.cosines(f"{what}, sentence", texts, vectors.sentence, fp32.sentence, least)


def check_references(
    report: Report, folder: Path, texts: List[str], ids: List[List[int]], fp32: Vectors
) -> None:
    """Compares the stored references: ids exactly, vectors closely, because
    fp32 sums differ in their last bits from CPU to CPU."""
    report.same_bytes(folder, {TOKENS: tokens_jsonl(ids)})
    for name in ("static", "sentence"):
        path = folder / f"{name}.f32"
        if not path.is_file():
            report.failures.append(f"{path}: missing; build it")
            continue
        stored = np.frombuffer(path.read_bytes(), "<f4")
        fresh = getattr(fp32, name)
        if stored.size != fresh.size:
            report.failures.append(f"{path}: {stored.size} numbers, expected {fresh.size}")
            continue
        stored = stored.reshape(fresh.shape)
        report.cosines(f"{name}.f32 against fp32", texts, stored, fresh, STATIC_COSINE)


def report_speed(model: Model, source: Source, ids: List[List[int]]) -> None:
    """Prints the median time of embeddings and encoder on one thread; judges nothing."""
    longest = max(ids, key=len)
    for tokens in SPEED_TOKENS:
        row = [longest[: tokens - 1] + [source.vocabulary.eos]]
        times = []
        for _ in range(SPEED_RUNS):
            start = time.perf_counter()
            model.vectors(row)
            times.append((time.perf_counter() - start) * 1e3)
        print(f"{tokens} tokens: embeddings and encoder {np.median(times):.2f} ms, median of {SPEED_RUNS}")


if __name__ == "__main__":
    main()
