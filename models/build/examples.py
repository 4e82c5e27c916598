"""Makes `examples.safetensors`: the vectors of the shipped intents' examples.

    python models/build/examples.py --model models/multilingual-e5-small --intents intents

    keys     U8 [examples, 16], the first bytes of the SHA-256 of a text in its normal form, in order
    vectors  F16 [examples, 384], the encoder's

With them a first start embeds nothing. The header names the manifest that they were made by;
the program passes over those of another. To be made again after an edit of the shipped
intents; an example that is not there is embedded at the start.
"""

import argparse
import hashlib
import tomllib
from pathlib import Path
from typing import List

import numpy as np
import onnx

from references import Model
from rows import normal_forms
from tensors import tensor_file
from weights import read_source
from words import StaticWords, tokenizer

FILE = "examples.safetensors"
KEY = 16


def main() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=root / "models" / "multilingual-e5-small")
    parser.add_argument("--intents", type=Path, default=root / "intents")
    arguments = parser.parse_args()
    data = examples_file(arguments.model, written(arguments.intents))
    (arguments.model / FILE).write_bytes(data)
    print(f"{arguments.model / FILE}: {len(data):,} bytes")


def written(folder: Path) -> List[str]:
    """The examples of a folder of intents, as they are written."""
    found: List[str] = []
    for path in sorted(folder.glob("*.toml")):
        examples = tomllib.loads(path.read_text(encoding="utf-8"))["examples"]
        lines = examples.splitlines() if isinstance(examples, str) else examples
        found += [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    return found


def examples_file(folder: Path, examples: List[str]) -> bytes:
    """The whole file."""
    source = read_source()
    model = Model(StaticWords(source), onnx.load(folder / "encoder.onnx"))
    encode = tokenizer(source)
    digests = {hashlib.sha256(text.encode("utf-8")).digest()[:KEY]: text for text in normal_forms(examples)}
    keys = sorted(digests)
    vectors = model.vectors([encode(digests[key])[: source.config.positions] for key in keys])
    tensors = {
        "keys": np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY),
        "vectors": vectors.sentence.astype(np.float16),
    }
    manifest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    return tensor_file(tensors, {"manifest": manifest})


if __name__ == "__main__":
    main()
