"""The gateway as the official Python client sees it.

`run.sh` starts the gateway with the shipped intents and the built-in demo in place of an LLM, and gives its
addresses as BASE_URL and ADMIN_URL. Read from top to bottom, this file says what a chat front end that
changes nothing but its base URL gets by Chat Completions; `test_openai_responses.py` goes on with the SDK's
other two protocols.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import CompletionUsage, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from kit import (
    BASE_URL,
    ENGLISH_POEM,
    GREETING,
    MODEL,
    POEM,
    QUESTIONS,
    REFUND,
    Question,
    eventually,
    every_question,
    metric,
    one_of_each,
    strictly,
)

TOOL = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object", "properties": {}}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
# What this suite was answered, by decision, for the comparison with the gateway's own count at the end.
answered: Counter[str] = Counter()


def count(response) -> None:
    if response.request.url.path == "/v1/chat/completions":
        answered[response.headers.get("x-intentgate-decision", "refused")] += 1


async def count_async(response) -> None:
    count(response)


# Nothing is retried: a reply that a second try gets is a failure here.
client = OpenAI(
    base_url=BASE_URL,
    api_key="any",
    max_retries=0,
    timeout=30,
    http_client=openai.DefaultHttpxClient(event_hooks={"response": [count]}),
)


def async_client() -> AsyncOpenAI:
    http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [count_async]})
    return AsyncOpenAI(base_url=BASE_URL, api_key="any", max_retries=0, timeout=30, http_client=http)


def user(content) -> list:
    return [{"role": "user", "content": content}]


def decision_on(messages: list, **options) -> str:
    reply = client.chat.completions.with_raw_response.create(model=MODEL, messages=messages, **options)
    return reply.headers["x-intentgate-decision"]


def ensure_billed(question: Question, usage: CompletionUsage | None) -> None:
    assert usage is not None
    assert question.is_billed(usage.prompt_tokens, usage.completion_tokens)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    for details in (usage.prompt_tokens_details, usage.completion_tokens_details):
        assert details is not None and not any(details.model_dump().values())


def contents(chunks: list[ChatCompletionChunk], choice: int = 0) -> str:
    choices = [c for chunk in chunks for c in chunk.choices if c.index == choice]
    return "".join(c.delta.content or "" for c in choices)


def counted() -> dict[str, float]:
    decisions = ("forward", "answer", "reject", "refused")
    return {decision: metric("requests_total", decision=decision) for decision in decisions}


@pytest.fixture(scope="session", autouse=True)
def counted_before() -> dict[str, float]:
    return counted()


# --- Replies -------------------------------------------------------------------------------------------------


@every_question
def test_a_question_gets_the_reply_that_its_decision_calls_for(question: Question):
    reply = client.chat.completions.with_raw_response.create(model=MODEL, messages=user(question.text))

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-intentgate-decision"] == question.decision
    completion = strictly(ChatCompletion, reply.content)
    assert completion.object == "chat.completion"
    assert completion.model == MODEL
    assert completion.id.startswith("chatcmpl-")
    ensure_billed(question, completion.usage)
    [choice] = completion.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
    assert choice.message.role == "assistant"
    assert (choice.message.refusal, choice.message.tool_calls) == (None, None)
    assert question.is_answered_by(choice.message.content), choice.message.content


@every_question
def test_a_stream_brings_the_same_reply_in_pieces(question: Question):
    reply = client.chat.completions.with_raw_response.create(model=MODEL, messages=user(question.text), stream=True)

    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["x-intentgate-decision"] == question.decision
    chunks = [strictly(ChatCompletionChunk, chunk.to_json()) for chunk in reply.parse()]
    assert {(c.object, c.model, c.id, c.created) for c in chunks} == {
        ("chat.completion.chunk", MODEL, chunks[0].id, chunks[0].created)
    }
    assert all(chunk.usage is None for chunk in chunks)
    first, *pieces, last = [chunk.choices[0] for chunk in chunks]
    assert (first.delta.role, first.delta.content, first.finish_reason) == ("assistant", "", None)
    assert len(pieces) > 1
    assert all(p.delta.content and p.delta.role is None and p.finish_reason is None for p in pieces)
    assert (last.delta.content, last.finish_reason) == (None, "stop")
    assert question.is_answered_by(contents(chunks)), contents(chunks)


@one_of_each
def test_a_stream_ends_with_usage_where_it_was_asked_for(question: Question):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = client.chat.completions.create(model=MODEL, messages=user(question.text), **options)

    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert strictly(ChatCompletionChunk, last.to_json()).choices == []
    ensure_billed(question, last.usage)


@one_of_each
def test_a_stream_is_made_of_data_lines_and_an_end_mark(question: Question):
    create = client.chat.completions.with_streaming_response.create
    with create(model=MODEL, messages=user(question.text), stream=True) as reply:
        lines = list(reply.iter_lines())

    assert all(line == "" or line.startswith("data: {") for line in lines[:-2]), lines
    assert lines[-2:] == ["data: [DONE]", ""]


@one_of_each
def test_two_choices_are_two_replies(question: Question):
    create = client.chat.completions.create
    completion = create(model=MODEL, messages=user(question.text), n=2)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert all(question.is_answered_by(choice.message.content) for choice in completion.choices)

    chunks = list(create(model=MODEL, messages=user(question.text), n=2, stream=True))
    assert all(question.is_answered_by(contents(chunks, choice)) for choice in (0, 1))
    stops = [choice.index for chunk in chunks for choice in chunk.choices if choice.finish_reason == "stop"]
    assert sorted(stops) == [0, 1]


def test_the_async_client_gets_what_the_other_gets():
    async def ask_all() -> None:
        async with async_client() as client:
            create = client.chat.completions.create
            asked = [create(model=MODEL, messages=user(question.text)) for question in QUESTIONS]
            for question, completion in zip(QUESTIONS, await asyncio.gather(*asked), strict=True):
                assert question.is_answered_by(completion.choices[0].message.content), question
            for question in (GREETING, POEM, REFUND):
                stream = await create(model=MODEL, messages=user(question.text), stream=True)
                assert question.is_answered_by(contents([chunk async for chunk in stream])), question

    asyncio.run(ask_all())


# --- What is judged ------------------------------------------------------------------------------------------


def test_the_last_user_message_is_judged():
    history = [{"role": "developer", "content": "You work for a shop."}, *user(REFUND.text)]
    history.append({"role": "assistant", "content": "好的，请问订单号是多少？"})
    assert decision_on([*history, *user(POEM.text)]) == "reject"
    assert decision_on([*user(POEM.text), *history, *user("我的快递到哪了")]) == "forward"


def test_the_words_of_a_message_in_parts_are_judged():
    part = {"type": "text", "text": ENGLISH_POEM.text}
    completion = client.chat.completions.create(model=MODEL, messages=user([PICTURE, part]))
    assert ENGLISH_POEM.is_answered_by(completion.choices[0].message.content)


def test_what_holds_no_words_goes_to_the_model_unjudged():
    before = metric("gate_bypassed_total", reason="no_text")
    call = {"id": "call_1", "type": "function", "function": {"name": "find_order", "arguments": "{}"}}
    results = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "call_1", "content": "1"}]

    assert decision_on(user([PICTURE])) == "forward"
    assert decision_on([*user(POEM.text), *results], tools=[TOOL]) == "forward"
    assert metric("gate_bypassed_total", reason="no_text") == before + 2


@one_of_each
def test_a_front_end_with_tools_gets_words_and_no_call(question: Question):
    options = {"tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False, "temperature": 0.2, "seed": 7}
    completion = client.chat.completions.create(model=MODEL, messages=user(question.text), **options)
    [choice] = completion.choices
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)
    assert question.is_answered_by(choice.message.content)


# --- The SDK's helpers ---------------------------------------------------------------------------------------


@one_of_each
def test_the_stream_helper_accumulates_the_reply(question: Question):
    options = {"stream_options": {"include_usage": True}, "tools": [TOOL]}
    with client.chat.completions.stream(model=MODEL, messages=user(question.text), **options) as stream:
        events = list(stream)
        completion = stream.get_final_completion()

    assert {event.type for event in events} == {"chunk", "content.delta", "content.done"}
    deltas = [event for event in events if event.type == "content.delta"]
    [done] = [event for event in events if event.type == "content.done"]
    assert "".join(delta.delta for delta in deltas) == deltas[-1].snapshot == done.content
    assert question.is_answered_by(done.content)
    assert completion.choices[0].message.content == done.content
    assert (completion.model, completion.choices[0].finish_reason) == (MODEL, "stop")
    ensure_billed(question, completion.usage)


@one_of_each
def test_the_parse_helper_takes_a_reply_of_plain_words(question: Question):
    completion = client.chat.completions.parse(model=MODEL, messages=user(question.text))
    [choice] = completion.choices
    assert (choice.message.parsed, choice.message.refusal) == (None, None)
    assert question.is_answered_by(choice.message.content)


def test_the_models_of_the_upstream_are_listed():
    reply = client.models.with_raw_response.list()
    [model] = reply.parse().data
    assert strictly(Model, model.to_json()).id == "intentgate-demo"
    assert "x-intentgate-decision" not in reply.headers


# --- Request ids ---------------------------------------------------------------------------------------------


@one_of_each
def test_every_reply_has_a_request_id(question: Question):
    reply = client.chat.completions.with_raw_response.create(model=MODEL, messages=user(question.text))
    completion = reply.parse()
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])
    assert reply.request_id == completion._request_id == reply.headers["x-request-id"]
    if question.intent is not None:
        assert completion.id == f"chatcmpl-{completion._request_id}"


@one_of_each
def test_a_request_id_of_the_front_end_is_kept(question: Question):
    own = {"x-request-id": "front-end-7"}
    completion = client.chat.completions.create(model=MODEL, messages=user(question.text), extra_headers=own)
    assert completion._request_id == "front-end-7"


# --- Clients that leave --------------------------------------------------------------------------------------


@one_of_each
def test_leaving_a_stream_early_costs_the_gateway_nothing(question: Question):
    for _ in range(5):
        with client.chat.completions.create(model=MODEL, messages=user(question.text), stream=True) as stream:
            for chunk in stream:
                assert chunk.choices[0].delta.role == "assistant"
                break
    assert eventually(lambda: metric("requests_in_flight") == 0)
    assert decision_on(user(GREETING.text)) == "answer"


def test_leaving_before_the_reply_begins_costs_the_gateway_nothing():
    hasty = client.with_options(timeout=0.4)
    with pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(model=MODEL, messages=user(REFUND.text))
    answered["forward"] += 1
    assert eventually(lambda: metric("requests_in_flight") == 0)
    assert decision_on(user(GREETING.text)) == "answer"


# --- Errors --------------------------------------------------------------------------------------------------


class Failure(NamedTuple):
    ask: Callable[[], object]
    error: type[openai.APIStatusError]
    status: int
    code: str
    says: str


FAILURES = {
    "a response that the model's server keeps": Failure(
        lambda: client.responses.retrieve("resp_1"),
        openai.PermissionDeniedError, 403, "path_not_served", "resp_1 is neither judged nor passed through",
    ),
    "batches, which are not judged": Failure(
        lambda: client.batches.list(),
        openai.PermissionDeniedError, 403, "path_not_served", "can add it to upstream.pass_through",
    ),
    "a path that is not listed": Failure(
        lambda: client.files.list(),
        openai.PermissionDeniedError, 403, "path_not_served", "/v1/files",
    ),
    "a path below a judged one": Failure(
        lambda: client.chat.completions.retrieve("chatcmpl-1"),
        openai.PermissionDeniedError, 403, "path_not_served", "/v1/chat/completions/chatcmpl-1",
    ),
    "GET where questions are judged": Failure(
        lambda: client.chat.completions.list(),
        openai.APIStatusError, 405, "method_not_allowed", "Use POST here.",
    ),
    "messages that are none": Failure(
        lambda: client.post("/chat/completions", body={"messages": 1}, cast_to=object),
        openai.BadRequestError, 400, "unreadable_request", "the body is no chat completion request: invalid type",
    ),
    "no messages": Failure(
        lambda: client.post("/chat/completions", body={"model": MODEL}, cast_to=object),
        openai.BadRequestError, 400, "unreadable_request", "missing field `messages`",
    ),
    "a body that is no JSON": Failure(
        lambda: client.post("/chat/completions", content=b'{"messages": [', cast_to=object),
        openai.BadRequestError, 400, "unreadable_request", "EOF while parsing",
    ),
    "embeddings, which the demo does not have": Failure(
        lambda: client.embeddings.create(model=MODEL, input="x"),
        openai.NotFoundError, 404, "demo_upstream", "has no /v1/embeddings. Set upstream.url in config.toml",
    ),
    "moderations, which the demo does not have": Failure(
        lambda: client.moderations.create(input="x"),
        openai.NotFoundError, 404, "demo_upstream", "has no /v1/moderations. Set upstream.url in config.toml",
    ),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failure_is_an_error_of_the_sdk_that_says_what_to_do(failure: Failure):
    with pytest.raises(failure.error) as raised:
        failure.ask()
    error = raised.value
    assert type(error) is failure.error
    assert (error.status_code, error.code, error.type) == (failure.status, failure.code, "invalid_request_error")
    assert error.param is None
    assert isinstance(error.body, dict) and failure.says in error.body["message"]
    assert set(error.body) == {"message", "type", "param", "code"}
    assert error.request_id and error.request_id == error.response.headers["x-request-id"]
    assert "x-intentgate-decision" not in error.response.headers


# --- Many at once, and the account of it all -----------------------------------------------------------------


def test_fifty_at_once_each_get_their_own_reply():
    async def ask(client: AsyncOpenAI, number: int) -> None:
        question, stream = QUESTIONS[number % len(QUESTIONS)], number % 3 == 0
        create = client.chat.completions.with_raw_response.create
        options = {"extra_headers": {"x-request-id": f"many-{number}"}, "stream": stream}
        raw = await create(model=f"model-{number}", messages=user(question.text), **options)
        assert raw.headers["x-intentgate-decision"] == question.decision
        assert raw.headers["x-request-id"] == f"many-{number}"
        reply = raw.parse()
        if stream:
            chunks = [chunk async for chunk in reply]
            models, text = {chunk.model for chunk in chunks}, contents(chunks)
        else:
            models, text = {reply.model}, reply.choices[0].message.content
        assert models == {f"model-{number}"}
        assert question.is_answered_by(text), (question, text)

    async def ask_fifty() -> None:
        async with async_client() as client:
            await asyncio.gather(*(ask(client, number) for number in range(50)))

    asyncio.run(ask_fifty())


def test_the_metrics_have_counted_what_was_sent(counted_before: dict[str, float]):
    assert answered.total() > 0
    expected = {decision: count + answered[decision] for decision, count in counted_before.items()}
    assert eventually(lambda: counted() == expected), (counted(), expected)
    # They are told apart beside the requests: a body that comes again at once is no saved call of its own.
    local = expected["answer"] + expected["reject"]
    assert eventually(lambda: metric("llm_calls_saved_total") + metric("repeats_total") == local)
    assert metric("request_duration_seconds_count") == sum(expected.values())
    assert metric("upstream_errors_total") == 0
    assert metric("requests_in_flight") == 0
