"""Tokens as the gateway counts them, held against OpenAI's own tiktoken and the rule of its cookbook.

Every sampled request goes through the gateway to the demo, which bills a prompt as the gateway counts it. OpenAI's
package would fetch its vocabulary; it gets the one that the Node package of the same name carries, and ensures by
its own checksum that it is OpenAI's.
"""

import asyncio
import base64
import json
import random
from pathlib import Path

import httpx
import pytest
import tiktoken
import tiktoken.load

from kit import BASE_URL, INTENTS

VOCABULARY = Path(__file__).parent / "node_modules/tiktoken/encoders/o200k_base.json"
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


def requests() -> list[list[dict]]:
    """Conversations in both languages: of one turn and of several, with instructions, names and parts. All of them
    end in what is the shop's business."""
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
        for _ in range(draw.randint(0, 4)):
            messages += [said("user"), said("assistant")]
        last = draw.choice(["我要退款", "where is my refund", "退款什么时候到账"])
        sampled.append([*messages, {"role": "user", "content": last}])
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


async def billed(sampled: list[list[dict]]) -> list[tuple[str, int]]:
    room = asyncio.Semaphore(32)
    async with httpx.AsyncClient(timeout=60) as client:

        async def ask(messages: list[dict]) -> tuple[str, int]:
            async with room:
                url = f"{BASE_URL}/chat/completions"
                reply = await client.post(url, json={"model": "m", "messages": messages})
            reply.raise_for_status()
            return reply.headers["x-intentgate-decision"], reply.json()["usage"]["prompt_tokens"]

        return await asyncio.gather(*map(ask, sampled))


def test_prompt_tokens_are_those_that_openai_would_bill(encoding: tiktoken.Encoding):
    sampled = requests()
    counts = asyncio.run(billed(sampled))
    # What the gateway answers itself is billed nothing.
    forwarded = [(messages, count) for messages, (decision, count) in zip(sampled, counts) if decision == "forward"]
    assert len(forwarded) >= 200
    wrong = [(messages, count) for messages, count in forwarded if count != recounted(messages, encoding)]
    assert not wrong, f"{len(wrong)} of {len(forwarded)} differ, such as {wrong[0]}"
