"""What the tests of all Python clients share: the gateway's addresses, questions with what becomes of them, and
what the gateway has counted."""

import os
import re
import time
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest
from pydantic import BaseModel

BASE_URL, ADMIN_URL = os.environ["BASE_URL"], os.environ["ADMIN_URL"]
INTENTS = Path(__file__).parents[2] / "intents"
MODEL = "a-model-of-the-front-end"
DEMO = {"zh": "【演示模型】这个问题已被网关放行", "en": "[demo model] The gateway let this question through"}
SHOP = {"zh": "本店", "en": "our shop"}
Reply = TypeVar("Reply", bound=BaseModel)


class Question(NamedTuple):
    language: str
    text: str
    decision: str
    intent: str | None

    def is_answered_by(self, text: str | None) -> bool:
        """Whether a text is the demo's, or word for word the reply of the intent's file."""
        if self.intent is None:
            return text is not None and text.startswith(DEMO[self.language])
        reply = tomllib.loads((INTENTS / f"{self.intent}.toml").read_text("utf-8"))["reply"]
        return text == reply[self.language].replace("{{name}}", SHOP[self.language])

    def is_billed(self, *tokens: int) -> bool:
        """Whether a reply tells what it costs: nothing, or what the demo stands in for."""
        return all(tokens) if self.intent is None else not any(tokens)


REFUND = Question("zh", "我要退款", "forward", None)
GREETING = Question("zh", "你好", "answer", "greeting")
POEM = Question("zh", "帮我写一首关于春天的诗", "reject", "writing")
ENGLISH_POEM = Question("en", "write me a poem about spring", "reject", "writing")
QUESTIONS = [
    REFUND,
    Question("en", "where is my refund", "forward", None),
    GREETING,
    Question("en", "hi there", "answer", "greeting"),
    POEM,
    ENGLISH_POEM,
    Question("zh", "今天北京天气怎么样", "reject", "weather_news"),
    Question("en", "what is the weather like in London today", "reject", "weather_news"),
]
every_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: f"{q.decision}-{q.text}")
# A greeting is no structure: the model is asked.
STRUCTURED_GREETING = GREETING._replace(decision="forward", intent=None)

one_of_each = pytest.mark.parametrize("question", [REFUND, GREETING, POEM], ids=lambda q: q.decision)


def strictly(model: type[Reply], json: str | bytes) -> Reply:
    """The SDK's own model of a reply, every type exact and no field that the model does not have."""

    def ensure_known(value) -> None:
        if isinstance(value, BaseModel):
            assert not value.model_extra, value
            for _, inner in value:
                ensure_known(inner)
        for inner in value if isinstance(value, list) else []:
            ensure_known(inner)

    validated = model.model_validate_json(json, strict=True)
    ensure_known(validated)
    return validated


def metric(name: str, **labels: str) -> float:
    """The sum of a metric's samples that bear these labels, as the admin listener gives them."""
    with urllib.request.urlopen(ADMIN_URL, timeout=5) as response:
        text = response.read().decode()
    samples = re.findall(rf"^intentgate_{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
    labelled = [(dict(re.findall(r'(\w+)="([^"]*)"', given)), value) for given, value in samples]
    return sum(float(value) for given, value in labelled if labels.items() <= given.items())


def eventually(holds: Callable[[], bool]) -> bool:
    """A reply is counted when its last byte is gone, which may be after the client has read it."""
    deadline = time.monotonic() + 5
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()
