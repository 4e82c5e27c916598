"""Tokens as the gateway counts them, held against OpenAI's own tiktoken and the rule of its cookbook.

What is forwarded is billed by the demo, as the gateway counts it; what is rejected is in the journal as saved. OpenAI's
package would fetch its vocabulary; it gets the one that the Node package of the same name carries, and ensures by
its own checksum that it is OpenAI's.
"""

import asyncio
import contextlib
import json
import os
import random
import sqlite3
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import tiktoken
import tiktoken.load

from kit import BASE_URL, INTENTS, eventually, metric

VOCABULARY = Path(__file__).parent / "node_modules/tiktoken/encoders/o200k_base.json"
JOURNAL = os.environ["JOURNAL"]
SAMPLES = 240


@pytest.fixture(scope="module")
def encoding(tmp_path_factory) -> tiktoken.Encoding:
    _, *tokens = json.loads(VOCABULARY.read_text())["bpe_ranks"].split(" ")
    rank = int(tokens.pop(0))
    lines = b"".join(b"%s %d\n" % (token.encode(), rank + at) for at, token in enumerate(tokens))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path_factory.mktemp("tiktoken")))
        patch.setattr(tiktoken.load, "read_file", lambda _: lines)
        return tiktoken.get_encoding("o200k_base")


BUSINESS = ["我要退款", "where is my refund", "退款什么时候到账"]
OFF_TOPIC = ["帮我写一首关于春天的诗", "write me a poem about spring", "今天北京天气怎么样", "how do I undo the last git commit"]


def requests(last: list[str], turns: int) -> list[list[dict]]:
    """Conversations in both languages: of one turn and of up to as many more, with instructions, names and parts."""
    draw = random.Random(5)
    files = sorted(INTENTS.glob("*.toml"))
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line]
    odd = ["", " ", "\n\n", "  two  spaces ", "１２３4567890", "naïve café 😀👩‍👩‍👧", "SKU-00042/aB_c…", "'s 'LL", "한국어 ไทย العربية"]

    def words() -> str:
        return draw.choice([" ", "\n", "，", ""]).join(draw.choices(lines + odd * 20, k=draw.randint(1, 12)))

    def said(role: str) -> dict:
        content = words()
        if draw.random() < 0.3:
            parts = [content, words()] if draw.random() < 0.5 else [content]
            content = [{"type": "text", "text": part} for part in parts]
        name = {"name": draw.choice(["web", "shop_1", "zhang-san"])} if draw.random() < 0.3 else {}
        return {"role": role, "content": content, **name}

    sampled = []
    for number in range(SAMPLES):
        messages = [said(draw.choice(["system", "developer"]))] if draw.random() < 0.6 else []
        for _ in range(draw.randint(0, turns)):
            messages += [said("user"), said("assistant")]
        sampled.append([*messages, said("user") | {"content": draw.choice(last)}])
    return sampled


def recounted(messages: list[dict], encoding: tiktoken.Encoding) -> int:
    """num_tokens_from_messages of OpenAI's cookbook, with contents that are lists of parts."""
    tokens = 3
    for message in messages:
        tokens += 3
        for key, value in message.items():
            texts = [value] if isinstance(value, str) else [part["text"] for part in value]
            tokens += sum(len(encoding.encode_ordinary(text)) for text in texts)
            tokens += key == "name"
    return tokens


class Asked(NamedTuple):
    messages: list[dict]
    decision: str
    id: str
    billed: int


async def ask_all(sampled: list[list[dict]]) -> list[Asked]:
    room = asyncio.Semaphore(32)
    async with httpx.AsyncClient(timeout=60) as client:

        async def ask(messages: list[dict], user: int) -> Asked:
            async with room:
                url = f"{BASE_URL}/chat/completions"
                # Of several customers with the same words each saves a call.
                reply = await client.post(url, json={"model": "m", "messages": messages, "user": str(user)})
            reply.raise_for_status()
            decision, id = reply.headers["x-intentgate-decision"], reply.headers["x-request-id"]
            return Asked(messages, decision, id, reply.json()["usage"]["prompt_tokens"])

        return await asyncio.gather(*map(ask, sampled, range(len(sampled))))


def saved() -> dict[str, int]:
    """What the journal says was saved, by the request's id."""
    with contextlib.closing(sqlite3.connect(f"file:{JOURNAL}?mode=ro", uri=True)) as database:
        rows = "SELECT request_id, saved_prompt_tokens FROM request WHERE saved_prompt_tokens IS NOT NULL"
        return dict(database.execute(rows))


def ensure_equal(counted: list[tuple[Asked, int | None]], encoding: tiktoken.Encoding):
    assert len(counted) >= 200
    wrong = [(asked, count) for asked, count in counted if count != recounted(asked.messages, encoding)]
    assert not wrong, f"{len(wrong)} of {len(counted)} differ, such as {wrong[0]}"


def test_prompt_tokens_are_those_that_openai_would_bill(encoding: tiktoken.Encoding):
    asked = asyncio.run(ask_all(requests(BUSINESS, 4)))
    # What the gateway answers itself is billed nothing.
    ensure_equal([(each, each.billed) for each in asked if each.decision == "forward"], encoding)


def test_saved_tokens_are_those_that_openai_would_have_billed(encoding: tiktoken.Encoding):
    before = metric("tokens_saved_total", kind="prompt")
    # What was said before a question may make it the shop's business.
    asked = [each for each in asyncio.run(ask_all(requests(OFF_TOPIC, 0))) if each.decision == "reject"]
    assert eventually(lambda: {each.id for each in asked} <= saved().keys())
    in_journal = saved()
    ensure_equal([(each, in_journal[each.id]) for each in asked], encoding)
    counted = metric("tokens_saved_total", kind="prompt") - before
    assert counted == sum(in_journal[each.id] for each in asked)
