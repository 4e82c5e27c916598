"""The gateway as LangChain's ChatOpenAI sees it, by Chat Completions and by Responses."""

import asyncio

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import OpenAIRefusalError
from openai import BadRequestError
from pydantic import BaseModel

from kit import BASE_URL, GREETING, MODEL, POEM, REFUND, Question, one_of_each

every_api = pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])


class Order(BaseModel):
    number: str


def model(responses: bool, **options) -> ChatOpenAI:
    own = {"base_url": BASE_URL, "api_key": "any", "max_retries": 0, "timeout": 30}
    return ChatOpenAI(model=MODEL, use_responses_api=responses, **own, **options)


@every_api
@one_of_each
def test_invoking_gets_the_reply(question: Question, responses: bool):
    reply = model(responses).invoke([SystemMessage("You work for a shop."), HumanMessage(question.text)])
    assert isinstance(reply, AIMessage)
    assert question.is_answered_by(reply.text), reply
    assert reply.response_metadata["model_name"] == MODEL
    assert reply.usage_metadata is not None and question.is_billed(reply.usage_metadata["total_tokens"])
    assert reply.tool_calls == []


@every_api
@one_of_each
def test_streaming_brings_it_in_pieces(question: Question, responses: bool):
    chunks = list(model(responses, stream_usage=True).stream(question.text))
    assert len([chunk for chunk in chunks if chunk.text]) > 1
    whole = sum(chunks[1:], chunks[0])
    assert question.is_answered_by(whole.text), whole
    assert whole.usage_metadata is not None and question.is_billed(whole.usage_metadata["total_tokens"])


def test_async_is_alike():
    async def ask() -> None:
        for responses in (False, True):
            replies = await model(responses).abatch([question.text for question in (REFUND, GREETING, POEM)])
            for question, reply in zip((REFUND, GREETING, POEM), replies, strict=True):
                assert question.is_answered_by(reply.text), reply
            chunks = [chunk.text async for chunk in model(responses).astream(POEM.text)]
            assert POEM.is_answered_by("".join(chunks))

    # Once: LangChain keeps its connections for the next model, and a loop takes them along when it ends.
    asyncio.run(ask())


@every_api
def test_a_conversation_is_judged_by_its_last_turn(responses: bool):
    said = model(responses).invoke(REFUND.text)
    reply = model(responses).invoke([HumanMessage(REFUND.text), said, HumanMessage(POEM.text)])
    assert POEM.is_answered_by(reply.text)


@every_api
def test_structured_output_is_refused_in_the_replys_words(responses: bool):
    with pytest.raises(OpenAIRefusalError) as raised:
        model(responses).with_structured_output(Order).invoke(POEM.text)
    assert POEM.is_answered_by(str(raised.value))


@every_api
def test_an_error_is_the_sdks(responses: bool):
    with pytest.raises(BadRequestError, match="expected a boolean"):
        model(responses, extra_body={"stream": 1}).invoke(POEM.text)
