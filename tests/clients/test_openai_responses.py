"""The gateway as the official Python client sees it by Responses and by the older Completions."""

import asyncio
import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import Completion
from openai.types.responses import Response
from pydantic import BaseModel

from kit import BASE_URL, ENGLISH_POEM, MODEL, POEM, QUESTIONS, REFUND, STRUCTURED_GREETING, Question
from kit import metric, one_of_each, strictly

TOOL = {"type": "function", "name": "find_order", "parameters": {"type": "object", "properties": {}}, "strict": False}
client = OpenAI(base_url=BASE_URL, api_key="any", max_retries=0, timeout=30)


class Order(BaseModel):
    number: str


def user(content) -> list:
    return [{"role": "user", "content": content}]


def decision_on(input, **options) -> str:
    reply = client.responses.with_raw_response.create(model=MODEL, input=input, **options)
    return reply.headers["x-intentgate-decision"]


# --- Responses -----------------------------------------------------------------------------------------------


@one_of_each
def test_a_question_gets_the_response_that_its_decision_calls_for(question: Question):
    reply = client.responses.with_raw_response.create(model=MODEL, input=question.text)

    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-intentgate-decision"] == question.decision
    assert reply.request_id == reply.headers["x-request-id"]
    response = strictly(Response, json.dumps(without_store(json.loads(reply.content))))
    assert (response.object, response.status, response.model) == ("response", "completed", MODEL)
    assert response.id.startswith("resp_")
    assert (response.error, response.incomplete_details) == (None, None)
    assert (response.tools, response.tool_choice, response.parallel_tool_calls) == ([], "auto", True)
    [message] = response.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    usage = response.usage
    assert usage is not None and usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert question.is_billed(usage.input_tokens, usage.output_tokens)
    assert question.is_answered_by(response.output_text), response.output_text


def without_store(response: dict) -> dict:
    """`store` comes back from the API, but the SDK's model does not have it."""
    assert response.pop("store") is True
    return response


@one_of_each
def test_a_response_repeats_what_it_was_asked_with(question: Question):
    options = {"instructions": "Be kind.", "tools": [TOOL], "temperature": 0.2, "metadata": {"shop": "7"}}
    response = client.responses.create(model=MODEL, input=user(question.text), tool_choice="none", **options)
    assert (response.instructions, response.temperature, response.metadata) == ("Be kind.", 0.2, {"shop": "7"})
    assert response.tool_choice == "none"
    assert [tool.to_dict() for tool in response.tools] == [TOOL]
    assert question.is_answered_by(response.output_text)


@one_of_each
def test_a_stream_brings_the_response_event_by_event(question: Question):
    reply = client.responses.with_raw_response.create(model=MODEL, input=question.text, stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = list(reply.parse())

    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 1
    assert [event.type for event in events if event not in deltas] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    for event in events:
        strict = event.to_dict()
        if "response" in strict:
            without_store(strict["response"])
        strictly(type(event), json.dumps(strict))
    text = "".join(delta.delta for delta in deltas)
    assert text == events[-1].response.output_text
    assert question.is_answered_by(text)


@one_of_each
def test_the_stream_helper_builds_the_response(question: Question):
    with client.responses.stream(model=MODEL, input=question.text) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert snapshots[-1] == response.output_text
    assert question.is_answered_by(response.output_text)


@pytest.mark.parametrize("question", [STRUCTURED_GREETING, POEM], ids=lambda q: q.decision)
def test_a_client_that_expects_structure_gets_a_refusal(question: Question):
    response = client.responses.parse(model=MODEL, input=question.text, text_format=Order)
    [part] = response.output[0].content
    assert (part.type, response.output_parsed, response.output_text) == ("refusal", None, "")
    assert question.is_answered_by(part.refusal)

    with client.responses.stream(model=MODEL, input=question.text, text_format=Order) as stream:
        events = list(stream)
        response = stream.get_final_response()
    refusal = "".join(event.delta for event in events if event.type == "response.refusal.delta")
    assert response.output[0].content[0].refusal == refusal
    assert question.is_answered_by(refusal)


def test_the_async_client_gets_what_the_other_gets():
    async def ask_all() -> None:
        async with AsyncOpenAI(base_url=BASE_URL, api_key="any", max_retries=0, timeout=30) as client:
            asked = [client.responses.create(model=MODEL, input=question.text) for question in QUESTIONS]
            for question, response in zip(QUESTIONS, await asyncio.gather(*asked), strict=True):
                assert question.is_answered_by(response.output_text), question
            async with client.responses.stream(model=MODEL, input=POEM.text) as stream:
                assert POEM.is_answered_by((await stream.get_final_response()).output_text)

    asyncio.run(ask_all())


def test_the_last_user_message_is_judged():
    said = client.responses.create(model=MODEL, input=REFUND.text).output[0].to_dict()
    history = [{"role": "developer", "content": "You work for a shop."}, *user(REFUND.text), said]
    words = [{"type": "input_image", "image_url": "data:,"}, {"type": "input_text", "text": ENGLISH_POEM.text}]
    assert decision_on([*history, *user(POEM.text)]) == "reject"
    assert decision_on([*history, *user(words)]) == "reject"
    assert decision_on([*user(POEM.text), *history, *user("我的快递到哪了")]) == "forward"


def test_what_cannot_be_judged_goes_to_the_model():
    def unjudged() -> tuple[float, float]:
        return metric("gate_bypassed_total", reason="no_text"), metric("gate_bypassed_total", reason="unknown_shape")

    no_text, unknown = unjudged()
    call = {"type": "function_call", "call_id": "call_1", "name": "find_order", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "1"}
    assert decision_on([*user(POEM.text), call, result], tools=[TOOL]) == "forward"
    assert decision_on(user([{"type": "input_file", "file_id": "file_1"}])) == "forward"
    assert unjudged() == (no_text + 1, unknown + 1)


# --- Completions ---------------------------------------------------------------------------------------------


@one_of_each
def test_a_prompt_gets_the_completion_that_its_decision_calls_for(question: Question):
    reply = client.completions.with_raw_response.create(model=MODEL, prompt=question.text)
    assert reply.headers["x-intentgate-decision"] == question.decision
    completion = strictly(Completion, reply.content)
    assert (completion.object, completion.model) == ("text_completion", MODEL)
    assert completion.id.startswith("cmpl-")
    assert completion.usage is not None and question.is_billed(completion.usage.total_tokens)
    [choice] = completion.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "stop", None)
    assert question.is_answered_by(choice.text), choice.text


@one_of_each
def test_every_prompt_has_its_choices_streamed_or_not(question: Question):
    options = {"model": MODEL, "prompt": [question.text, question.text], "n": 2}
    choices = client.completions.create(**options).choices
    assert [choice.index for choice in choices] == [0, 1, 2, 3]
    assert all(question.is_answered_by(choice.text) for choice in choices)


@one_of_each
def test_a_stream_ends_with_usage_where_it_was_asked_for(question: Question):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last = client.completions.create(model=MODEL, prompt=question.text, **options)
    assert question.is_answered_by("".join(chunk.choices[0].text for chunk in chunks))
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == [] and question.is_billed(last.usage.total_tokens)


# --- Errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/responses", {"model": MODEL}, "the body is no responses request: missing field `input`"),
        ("/responses", {"input": 1}, "expected a string or a list of items"),
        ("/completions", {"prompt": "a", "n": "1"}, "the body is no completion request: invalid type"),
    ],
)
def test_a_failure_is_an_error_of_the_sdk(path: str, body: dict, says: str):
    with pytest.raises(openai.BadRequestError) as raised:
        client.post(path, body=body, cast_to=object)
    error = raised.value
    assert (error.code, error.type, error.param) == ("unreadable_request", "invalid_request_error", None)
    assert isinstance(error.body, dict) and says in error.body["message"]
    assert error.request_id
