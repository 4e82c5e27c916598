"""The gateway as Anthropic's official Python client sees it, which asks for nothing but another base URL."""

import asyncio
import json

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import Message
from pydantic import BaseModel

from kit import BASE_URL, ENGLISH_POEM, MODEL, POEM, QUESTIONS, REFUND, STRUCTURED_GREETING, Question
from kit import metric, one_of_each, strictly

ROOT = BASE_URL.removesuffix("/v1")
TOOL = {"name": "find_order", "input_schema": {"type": "object", "properties": {}}}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": POEM.text}}
client = Anthropic(base_url=ROOT, api_key="any", max_retries=0, timeout=30)
create = client.messages.create


class Order(BaseModel):
    number: str


def user(content) -> list:
    return [{"role": "user", "content": content}]


def asked(question: Question) -> dict:
    return {"model": MODEL, "max_tokens": 100, "system": "You work for a shop.", "messages": user(question.text)}


def decision_on(messages: list, **options) -> str:
    raw = client.messages.with_raw_response
    reply = raw.create(model=MODEL, max_tokens=100, messages=messages, **options)
    return reply.headers["x-intentgate-decision"]


def text_of(message: Message) -> str:
    [block] = message.content
    assert block.type == "text"
    return block.text


# --- Replies -------------------------------------------------------------------------------------------------


@one_of_each
def test_a_question_gets_the_message_that_its_decision_calls_for(question: Question):
    reply = client.messages.with_raw_response.create(**asked(question))
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-intentgate-decision"] == question.decision
    message = strictly(Message, reply.http_response.content)
    assert (message.type, message.role, message.model) == ("message", "assistant", MODEL)
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.id.startswith("msg_")
    assert question.is_billed(message.usage.input_tokens, message.usage.output_tokens)
    assert question.is_answered_by(text_of(message)), message


@one_of_each
def test_a_stream_brings_the_message_event_by_event(question: Question):
    events = list(create(**asked(question), stream=True))
    for event in events:
        strictly(type(event), event.to_json())
    deltas = [event for event in events if event.type == "content_block_delta"]
    assert len(deltas) > 1
    assert [event.type for event in events if event not in deltas] == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert question.is_answered_by("".join(delta.delta.text for delta in deltas))


@one_of_each
def test_the_stream_helper_builds_the_message(question: Question):
    with client.messages.stream(**asked(question), tools=[TOOL]) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == text_of(message) == stream.get_final_text()
    assert message.stop_reason == "end_turn"
    assert question.is_billed(message.usage.input_tokens, message.usage.output_tokens)
    assert stream.request_id == stream.response.headers["x-request-id"]
    assert question.is_answered_by(text)


@one_of_each
def test_the_beta_client_gets_the_same(question: Question):
    assert question.is_answered_by(client.beta.messages.create(**asked(question)).content[0].text)


@pytest.mark.parametrize("question", [STRUCTURED_GREETING, POEM], ids=lambda q: q.decision)
def test_a_client_that_expects_structure_gets_a_refusal(question: Question):
    message = client.messages.parse(**asked(question), output_format=Order)
    assert (message.stop_reason, message.content, message.parsed_output) == ("refusal", [], None)
    assert message.stop_details is not None and question.is_answered_by(message.stop_details.explanation)

    with client.messages.stream(**asked(question), output_format=Order) as stream:
        message = stream.get_final_message()
    assert (message.stop_reason, message.content) == ("refusal", [])
    assert message.stop_details is not None and question.is_answered_by(message.stop_details.explanation)


def test_the_async_client_gets_what_the_other_gets():
    async def ask_all() -> None:
        async with AsyncAnthropic(base_url=ROOT, api_key="any", max_retries=0, timeout=30) as client:
            replies = [client.messages.create(**asked(question)) for question in QUESTIONS]
            for question, message in zip(QUESTIONS, await asyncio.gather(*replies), strict=True):
                assert question.is_answered_by(text_of(message)), question
            async with client.messages.stream(**asked(POEM)) as stream:
                assert POEM.is_answered_by(await stream.get_final_text())

    asyncio.run(ask_all())


@one_of_each
def test_every_reply_has_a_request_id(question: Question):
    reply = client.messages.with_raw_response.create(**asked(question))
    assert reply.parse()._request_id == reply.headers["request-id"] == reply.headers["x-request-id"]


# --- What is judged ------------------------------------------------------------------------------------------


def test_the_last_user_message_is_judged():
    history = [*user(REFUND.text), {"role": "assistant", "content": [{"type": "text", "text": "好的"}]}]
    assert decision_on([*history, *user(POEM.text)]) == "reject"
    assert decision_on([*history, *user([PICTURE, {"type": "text", "text": ENGLISH_POEM.text}])]) == "reject"
    assert decision_on([*user(POEM.text), history[1], *user("我的快递到哪了")]) == "forward"


def test_a_tools_result_goes_to_the_model_and_words_behind_it_are_judged():
    before = metric("gate_bypassed_total", reason="no_text")
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "find_order", "input": {}}]}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}
    assert decision_on([*user(REFUND.text), call, *user([result])], tools=[TOOL]) == "forward"
    assert metric("gate_bypassed_total", reason="no_text") == before + 1
    words = {"type": "text", "text": POEM.text}
    assert decision_on([*user(REFUND.text), call, *user([result, words])], tools=[TOOL]) == "reject"


def test_a_document_alone_is_told_of():
    before = metric("gate_bypassed_total", reason="unknown_shape")
    assert decision_on(user([DOCUMENT])) == "forward"
    assert metric("gate_bypassed_total", reason="unknown_shape") == before + 1
    assert decision_on(user([DOCUMENT, {"type": "text", "text": POEM.text}])) == "reject"


# --- Errors --------------------------------------------------------------------------------------------------


def test_a_body_that_cannot_be_read_is_an_error_of_the_sdk():
    with pytest.raises(anthropic.BadRequestError) as raised:
        create(model=MODEL, max_tokens=100, messages=1)
    error = raised.value
    assert error.type == "invalid_request_error"
    assert error.request_id and error.request_id == error.response.headers["request-id"]
    body = json.loads(error.response.content)
    assert set(body) == {"type", "error", "request_id"}
    assert (body["type"], body["request_id"]) == ("error", error.request_id)
    assert "the body is no messages request: invalid type" in body["error"]["message"]


def test_a_path_that_is_not_served_is_an_error_of_the_sdk():
    with pytest.raises(anthropic.PermissionDeniedError, match="upstream.pass_through"):
        client.messages.batches.list()
