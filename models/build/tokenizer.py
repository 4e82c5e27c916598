"""Writes the model's tokenizer: XLM-R's Unigram, every piece of the source.

`tokenizer.safetensors` is what the program maps and reads:

    trie      U32 [units], a double array over the pieces' bytes; values are ids
    scores    F32 [pieces]
    charsmap  U8, SentencePiece's compiled `nmt_nfkc` rules

and, as metadata, the ids of `<s>`, `</s>` and `<unk>`, and the score of a
character that no piece begins with. Special tokens are not in the trie, so a
text never holds one.

`tokenizer.json` says the same to the Hugging Face `tokenizers` library. The
program is held against what that makes of it; it is not among the files.
"""

import base64
import io
import json
from functools import lru_cache
from typing import Dict, List

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from double_array import double_array
from tensors import tensor_file
from weights import Vocabulary

# What stands before a text that the source reads; the encoder that ships reads it without.
SOURCE_PREFIX = "query: "
METASPACE = "▁"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
# How much less likely an unknown character is than the least likely piece.
UNKNOWN_PENALTY = 10.0


def tokenizer_file(vocabulary: Vocabulary) -> bytes:
    """The program's file."""
    ordinary = [i for i, piece in enumerate(vocabulary.pieces) if piece not in SPECIAL]
    keys = [vocabulary.pieces[index].encode("utf-8") for index in ordinary]
    tensors = {
        "trie": double_array(keys, ordinary),
        "scores": vocabulary.scores,
        "charsmap": np.frombuffer(nmt_nfkc_charsmap(), np.uint8),
    }
    metadata = {
        "begin": str(vocabulary.bos),
        "end": str(vocabulary.eos),
        "unknown": str(vocabulary.unk),
        "unknown_score": str(float(vocabulary.scores.min()) - UNKNOWN_PENALTY),
    }
    return tensor_file(tensors, metadata)


def tokenizer_json(vocabulary: Vocabulary) -> bytes:
    """Hugging Face's file. It stores neither padding nor truncation."""
    pieces = vocabulary.pieces
    scores = [float(score) for score in vocabulary.scores]
    ids = {piece: pieces.index(piece) for piece in SPECIAL}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special_token(ids[piece], piece) for piece in SPECIAL],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {
                    "type": "Precompiled",
                    "precompiled_charsmap": base64.b64encode(nmt_nfkc_charsmap()).decode("ascii"),
                },
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": _metaspace(),
        "post_processor": _template(ids),
        "decoder": _metaspace(),
        "model": {
            "type": "Unigram",
            "unk_id": ids["<unk>"],
            "vocab": [list(pair) for pair in zip(pieces, scores)],
            "byte_fallback": False,
        },
    }
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    return (text + "\n").encode("utf-8")


@lru_cache(maxsize=None)
def nmt_nfkc_charsmap() -> bytes:
    """SentencePiece's compiled `nmt_nfkc` rules.

    They are part of every trained model, so a toy one is trained for them.
    """
    corpus = ["a b c d e f g h", "ab bc cd de ef fg gh ha"]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_writer=written,
        vocab_size=20,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(written.getvalue())
    return model.normalizer_spec.precompiled_charsmap


def _special_token(index: int, piece: str) -> Dict[str, object]:
    return {
        "id": index,
        "content": piece,
        "single_word": False,
        "lstrip": piece == "<mask>",
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def _metaspace() -> Dict[str, object]:
    return {
        "type": "Metaspace",
        "replacement": METASPACE,
        "prepend_scheme": "always",
        "split": True,
    }


def _template(ids: Dict[str, int]) -> Dict[str, object]:
    """`<s> text </s>`."""

    def special(piece: str) -> Dict[str, object]:
        return {"SpecialToken": {"id": piece, "type_id": 0}}

    def text(name: str) -> Dict[str, object]:
        return {"Sequence": {"id": name, "type_id": 0}}

    single: List[object] = [special("<s>"), text("A"), special("</s>")]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": single + [special("</s>"), text("B"), special("</s>")],
        "special_tokens": {
            piece: {"id": piece, "ids": [ids[piece]], "tokens": [piece]}
            for piece in ("<s>", "</s>")
        },
    }
