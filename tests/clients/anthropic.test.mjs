// The gateway as Anthropic's official Node client sees it, which asks for nothing but another base URL.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';

import { BASE_URL, MODEL, ONE_OF_EACH, POEM, REFUND, STRUCTURED_GREETING, collect, ensureAnswered, ensureBilled, forEach } from './kit.mjs';

const client = new Anthropic({ baseURL: BASE_URL.replace(/\/v1$/, ''), apiKey: 'any', maxRetries: 0, timeout: 30_000 });
const user = (content) => [{ role: 'user', content }];
const asked = (question) => ({ model: MODEL, max_tokens: 100, messages: user(question.text) });
const FREE = { input_tokens: 0, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 };

forEach(ONE_OF_EACH, 'a question gets the message that its decision calls for', async (question) => {
  const { data, response, request_id } = await client.messages.create(asked(question)).withResponse();
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.equal(response.headers.get('x-intentgate-decision'), question.decision);
  assert.equal(request_id, response.headers.get('x-request-id'));
  const [{ text }] = data.content;
  assert.match(data.id, /^msg_./);
  assert.deepEqual({ ...data }, {
    id: data.id,
    type: 'message',
    role: 'assistant',
    model: MODEL,
    content: [{ type: 'text', text }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: data.usage,
  });
  ensureBilled(question, data.usage, FREE);
  ensureAnswered(question, text);
});

forEach(ONE_OF_EACH, 'a stream brings the message event by event', async (question) => {
  const events = await collect(await client.messages.create({ ...asked(question), stream: true }));
  const deltas = events.filter((event) => event.type === 'content_block_delta');
  assert(deltas.length > 1);
  assert.deepEqual(events.filter((event) => !deltas.includes(event)).map((event) => event.type), [
    'message_start',
    'content_block_start',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ]);
  ensureAnswered(question, deltas.map((event) => event.delta.text).join(''));
});

forEach(ONE_OF_EACH, 'the stream helper builds the message', async (question) => {
  const stream = client.messages.stream(asked(question));
  let text = '';
  stream.on('text', (delta) => (text += delta));
  const message = await stream.finalMessage();
  assert.deepEqual([message.content, message.stop_reason], [[{ type: 'text', text }], 'end_turn']);
  ensureAnswered(question, text);
});

forEach([STRUCTURED_GREETING, POEM], 'a client that expects structure gets a refusal', async (question) => {
  const format = { type: 'json_schema', schema: { type: 'object', properties: {}, additionalProperties: false } };
  const structured = { ...asked(question), output_config: { format } };
  for (const message of [
    await client.messages.parse(structured),
    await client.messages.stream(structured).finalMessage(),
  ]) {
    assert.deepEqual([message.stop_reason, message.content], ['refusal', []]);
    ensureAnswered(question, message.stop_details.explanation);
  }
});

test('a tool’s result goes to the model and words behind it are judged', async () => {
  const decisionOn = async (messages) => {
    const { response } = await client.messages.create({ ...asked(POEM), messages }).withResponse();
    return response.headers.get('x-intentgate-decision');
  };
  const call = { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }] };
  const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: '1' };
  const words = { type: 'text', text: POEM.text };
  assert.equal(await decisionOn([...user(REFUND.text), call, ...user([result])]), 'forward');
  assert.equal(await decisionOn([...user(REFUND.text), call, ...user([result, words])]), 'reject');
});

test('a failure is an error of the SDK', async () => {
  const asking = client.post('/v1/messages', { body: { messages: 1 } });
  const error = await asking.then(() => assert.fail('no error'), (error) => error);
  assert.equal(error.constructor, Anthropic.BadRequestError);
  assert.deepEqual([error.status, error.type], [400, 'invalid_request_error']);
  assert.match(error.requestID, /^[0-9a-f]{32}$/);
  assert.deepEqual(error.error, {
    type: 'error',
    error: { type: 'invalid_request_error', message: error.error.error.message },
    request_id: error.requestID,
  });
  await assert.rejects(
    client.messages.batches.list(),
    Anthropic.PermissionDeniedError,
  );
});
