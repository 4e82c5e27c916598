"""Writes `tokenizer.json`, the model's tokenizer with a smaller vocabulary.

The format is that of the Hugging Face `tokenizers` library. The pieces and
scores are the source's; pieces in scripts that are neither Chinese nor ASCII
are left out, and the rest keep their order and get new ids without gaps. Text
that needs no dropped piece is cut into the same pieces as before.
"""

import base64
import io
import json
from typing import Dict, List

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from weights import Vocabulary

PREFIX = "query: "
METASPACE = "▁"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]

# First and last code points of what the kept pieces are made of.
KEPT_RANGES = [
    (0x0020, 0x007E),  # ASCII
    (0x00A0, 0x00BF),  # Latin-1 symbols
    (0x00D7, 0x00D7),  # multiplication sign
    (0x00F7, 0x00F7),  # division sign
    (0x2000, 0x2BFF),  # general punctuation, currency, arrows, shapes, dingbats
    (0x3000, 0x303F),  # CJK symbols and punctuation
    (0x3400, 0x4DBF),  # CJK ideographs, extension A
    (0x4E00, 0x9FFF),  # CJK ideographs
    (0xF900, 0xFAFF),  # CJK compatibility ideographs
    (0xFE0F, 0xFE0F),  # emoji variation selector
    (0xFE30, 0xFE4F),  # CJK compatibility forms
    (0xFF00, 0xFFEF),  # half-width and full-width forms
    (0x1F000, 0x1FAFF),  # emoji and other pictographs
    (0x20000, 0x3FFFF),  # CJK ideographs, further extensions
]


def kept_ids(vocabulary: Vocabulary) -> np.ndarray:
    """The source ids that stay, ascending: `kept[new id] = source id`."""
    kept = [
        index
        for index, piece in enumerate(vocabulary.pieces)
        if piece in SPECIAL or all(_is_kept(character) for character in piece)
    ]
    return np.array(kept, np.int64)


def _is_kept(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in KEPT_RANGES)


def tokenizer_json(vocabulary: Vocabulary, kept: np.ndarray) -> bytes:
    """The whole file. It stores neither padding nor truncation."""
    pieces = [vocabulary.pieces[index] for index in kept]
    scores = [_shortest(vocabulary.scores[index]) for index in kept]
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


def _shortest(score: np.float32) -> float:
    """The shortest decimal number that is this fp32 score."""
    return float(str(score))


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
