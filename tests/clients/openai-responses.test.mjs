// The gateway as the official Node client sees it by Responses and by the older Completions.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import OpenAI from 'openai';

import { BASE_URL, MODEL, ONE_OF_EACH, POEM, REFUND, STRUCTURED_GREETING, collect, ensureAnswered, ensureBilled, forEach } from './kit.mjs';

const client = new OpenAI({ baseURL: BASE_URL, apiKey: 'any', maxRetries: 0, timeout: 30_000 });
const respond = (options) => client.responses.create({ model: MODEL, ...options });
const complete = (options) => client.completions.create({ model: MODEL, ...options });
const FORMAT = { type: 'json_schema', name: 'order', schema: { type: 'object', properties: {} } };

// --- Responses ----------------------------------------------------------------------------------------------

forEach(ONE_OF_EACH, 'a question gets the response that its decision calls for', async (question) => {
  const { data, response, request_id } = await respond({ input: question.text }).withResponse();
  assert.equal(response.headers.get('x-intentgate-decision'), question.decision);
  assert.equal(data._request_id, request_id);
  assert.match(data.id, /^resp_./);
  assert.deepEqual([data.object, data.status, data.model], ['response', 'completed', MODEL]);
  ensureBilled(question, data.usage, {
    input_tokens: 0,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: 0,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 0,
  });
  const content = [{ type: 'output_text', annotations: [], logprobs: [], text: data.output_text }];
  const [{ id }] = data.output;
  assert.deepEqual(data.output, [{ id, type: 'message', status: 'completed', role: 'assistant', content }]);
  ensureAnswered(question, data.output_text);
});

forEach(ONE_OF_EACH, 'a stream brings the response event by event', async (question) => {
  const events = await collect(await respond({ input: question.text, stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  const deltas = events.filter((event) => event.type === 'response.output_text.delta');
  assert(deltas.length > 1);
  assert.deepEqual(events.filter((event) => !deltas.includes(event)).map((event) => event.type), [
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ]);
  ensureAnswered(question, deltas.map((event) => event.delta).join(''));
});

forEach(ONE_OF_EACH, 'the stream helper builds the response', async (question) => {
  const stream = client.responses.stream({ model: MODEL, input: question.text });
  let snapshot = '';
  stream.on('response.output_text.delta', (event) => {
    snapshot += event.delta;
    assert.equal(event.snapshot, snapshot);
  });
  const response = await stream.finalResponse();
  assert.equal(response.output_text, snapshot);
  ensureAnswered(question, snapshot);
});

forEach([STRUCTURED_GREETING, POEM], 'a client that expects structure gets a refusal', async (question) => {
  const asked = { model: MODEL, input: question.text, text: { format: FORMAT } };
  for (const response of [await client.responses.parse(asked), await client.responses.stream(asked).finalResponse()]) {
    assert.equal(response.output_parsed, null);
    const [part] = response.output[0].content;
    assert.equal(part.type, 'refusal');
    ensureAnswered(question, part.refusal);
  }
});

test('the last user message is judged', async () => {
  const decisionOn = async (input) => {
    const { response } = await respond({ input }).withResponse();
    return response.headers.get('x-intentgate-decision');
  };
  const { output } = await respond({ input: REFUND.text });
  const history = [{ role: 'user', content: REFUND.text }, ...output];
  assert.equal(await decisionOn([...history, { role: 'user', content: POEM.text }]), 'reject');
  const result = { type: 'function_call_output', call_id: 'call_1', output: '1' };
  assert.equal(await decisionOn([{ role: 'user', content: POEM.text }, result]), 'forward');
});

// --- Completions --------------------------------------------------------------------------------------------

forEach(ONE_OF_EACH, 'a prompt gets the completion that its decision calls for', async (question) => {
  const { data, response } = await complete({ prompt: question.text }).withResponse();
  assert.equal(response.headers.get('x-intentgate-decision'), question.decision);
  assert.match(data.id, /^cmpl-./);
  assert.deepEqual([data.object, data.model], ['text_completion', MODEL]);
  ensureBilled(question, { total_tokens: data.usage.total_tokens }, { total_tokens: 0 });
  const [{ text }] = data.choices;
  assert.deepEqual(data.choices, [{ text, index: 0, logprobs: null, finish_reason: 'stop' }]);
  ensureAnswered(question, text);
});

forEach(ONE_OF_EACH, 'a completion is streamed, with usage where it was asked for', async (question) => {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = await collect(await complete({ prompt: [question.text], ...options }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  ensureBilled(question, { total_tokens: last.usage.total_tokens }, { total_tokens: 0 });
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  ensureAnswered(question, chunks.map((chunk) => chunk.choices[0].text).join(''));
});

// --- Errors -------------------------------------------------------------------------------------------------

describe('a failure is an error of the SDK', () => {
  for (const [path, body, says] of [
    ['/responses', { input: 1 }, 'expected a string or a list of items'],
    ['/completions', { n: '1' }, 'the body is no completion request'],
  ]) {
    test(path, async () => {
      const error = await client.post(path, { body }).then(() => assert.fail('no error'), (error) => error);
      assert.equal(error.constructor, OpenAI.BadRequestError);
      assert.deepEqual([error.code, error.type], ['unreadable_request', 'invalid_request_error']);
      assert(error.message.includes(says), error.message);
    });
  }
});
