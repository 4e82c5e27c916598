"""Replies that break off, as the official Python clients see them: an error of the API's, never half a reply that looks
whole or that nobody can parse.

`run.sh` starts another gateway for this, in front of `broken_upstream.py`, and gives its address as BROKEN_URL.
"""

import os
from collections.abc import Callable, Iterable

import anthropic
import openai
import pytest

URL = os.environ.get("BROKEN_URL", "")
if not URL:
    pytest.skip("BROKEN_URL is not set: run.sh does", allow_module_level=True)
by_openai = openai.OpenAI(base_url=URL, api_key="any", max_retries=0, timeout=30)
by_anthropic = anthropic.Anthropic(base_url=URL.removesuffix("/v1"), api_key="any", max_retries=0, timeout=30)
USER = [{"role": "user", "content": "我要退款"}]

CREATE: dict[str, Callable[..., Iterable]] = {
    "chat": lambda **options: by_openai.chat.completions.create(messages=USER, **options),
    "completions": lambda **options: by_openai.completions.create(prompt="我要退款", **options),
    "responses": lambda **options: by_openai.responses.create(input="我要退款", **options),
    "messages": lambda **options: by_anthropic.messages.create(messages=USER, max_tokens=9, **options),
}
every_protocol = pytest.mark.parametrize("create", CREATE.values(), ids=CREATE)


@every_protocol
@pytest.mark.parametrize("reply", ["half-chunked", "half-length", "half-close", "unmarked-close"])
def test_a_stream_that_breaks_off_ends_with_an_error_of_the_api(create, reply: str):
    stream, came = create(model=reply, stream=True), []
    with pytest.raises((openai.APIError, anthropic.APIError)) as raised:
        came.extend(stream)
    assert len(came) == 1 and "您好" in came[0].model_dump_json()
    assert "broke off in the middle of its reply" in str(raised.value)
    assert not isinstance(raised.value, openai.APIConnectionError | anthropic.APIConnectionError)
    if isinstance(raised.value, openai.APIError):
        assert raised.value.code == "upstream_stream_broke_off"


@every_protocol
@pytest.mark.parametrize("reply", ["marked-chunked", "marked-close", "unmarked-chunked"])
def test_a_stream_that_is_whole_by_its_framing_or_its_end_mark_ends_without_an_error(create, reply: str):
    assert "您好" in next(iter(create(model=reply, stream=True))).model_dump_json()
    assert len(list(create(model=reply, stream=True))) in (1, 2)


@every_protocol
@pytest.mark.parametrize("reply", ["json-length", "json-chunked", "json-close"])
def test_json_that_breaks_off_is_a_broken_connection(create, reply: str):
    with pytest.raises((openai.APIConnectionError, anthropic.APIConnectionError)):
        create(model=reply)
