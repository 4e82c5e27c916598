// The gateway as the official Node client sees it.
//
// `run.sh` starts the gateway with the shipped intents and the built-in demo in place of an LLM, and gives its
// addresses as BASE_URL and ADMIN_URL. Read from top to bottom, this file says what a chat front end that
// changes nothing but its base URL gets by Chat Completions; `openai-responses.test.mjs` goes on with the SDK's
// other two protocols.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import OpenAI from 'openai';

import {
  BASE_URL,
  ENGLISH_POEM,
  GREETING,
  MODEL,
  ONE_OF_EACH,
  POEM,
  QUESTIONS,
  REFUND,
  collect,
  ensureAnswered,
  ensureBilled,
  eventually,
  forEach,
  metric,
} from './kit.mjs';

const TOOL = { type: 'function', function: { name: 'find_order', parameters: { type: 'object', properties: {} } } };
const PICTURE = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };

// Nothing is used where no model replies.
const FREE = {
  prompt_tokens: 0,
  completion_tokens: 0,
  total_tokens: 0,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 0,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
};

// What this suite was answered, by decision, for the comparison with the gateway's own count at the end.
const answered = { forward: 0, answer: 0, reject: 0, refused: 0 };
const before = await counted();

// Nothing is retried: a reply that a second try gets is a failure here.
const client = new OpenAI({
  baseURL: BASE_URL,
  apiKey: 'any',
  maxRetries: 0,
  timeout: 30_000,
  fetch: async (url, init) => {
    const response = await fetch(url, init);
    const judged = new URL(url).pathname === '/v1/chat/completions';
    if (judged) answered[response.headers.get('x-intentgate-decision') ?? 'refused'] += 1;
    return response;
  },
});
const create = (options, ...rest) => client.chat.completions.create({ model: MODEL, ...options }, ...rest);
const user = (content) => [{ role: 'user', content }];
const decisionOn = async (messages, options) =>
  (await create({ messages, ...options }).asResponse()).headers.get('x-intentgate-decision');

function contents(chunks, index = 0) {
  const choices = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index);
  return choices.map((choice) => choice.delta.content ?? '').join('');
}

async function counted() {
  const count = async (decision) => [decision, await metric('requests_total', { decision })];
  return Object.fromEntries(await Promise.all(['forward', 'answer', 'reject', 'refused'].map(count)));
}

// --- Replies ------------------------------------------------------------------------------------------------

forEach(QUESTIONS, 'a question gets the reply that its decision calls for', async (question) => {
  const { data, response } = await create({ messages: user(question.text) }).withResponse();

  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.equal(response.headers.get('x-intentgate-decision'), question.decision);
  const content = data.choices[0].message.content;
  assert.match(data.id, /^chatcmpl-./);
  assert(Number.isInteger(data.created));
  assert.deepEqual({ ...data }, {
    id: data.id,
    object: 'chat.completion',
    created: data.created,
    model: MODEL,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: data.usage,
  });
  ensureBilled(question, data.usage, FREE);
  ensureAnswered(question, content);
});

forEach(QUESTIONS, 'a stream brings the same reply in pieces', async (question) => {
  const { data, response } = await create({ messages: user(question.text), stream: true }).withResponse();

  assert.match(response.headers.get('content-type'), /^text\/event-stream/);
  assert.equal(response.headers.get('x-intentgate-decision'), question.decision);
  const chunks = await collect(data);
  const pieces = chunks.slice(1, -1).map((chunk) => ({ content: chunk.choices[0].delta.content }));
  const deltas = [{ role: 'assistant', content: '', refusal: null }, ...pieces, {}];
  const { id, created } = chunks[0];
  deltas.forEach((delta, at) =>
    assert.deepEqual(chunks[at], {
      id,
      object: 'chat.completion.chunk',
      created,
      model: MODEL,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: at === deltas.length - 1 ? 'stop' : null }],
    }),
  );
  assert(pieces.length > 1 && pieces.every((piece) => piece.content.length > 0));
  ensureAnswered(question, contents(chunks));
});

forEach(ONE_OF_EACH, 'a stream ends with usage where it was asked for', async (question) => {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = await collect(await create({ messages: user(question.text), ...options }));
  const last = chunks.pop();

  assert(chunks.every((chunk) => chunk.usage === null));
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  assert.deepEqual(last.choices, []);
  ensureBilled(question, last.usage, FREE);
});

forEach(ONE_OF_EACH, 'two choices are two replies', async (question) => {
  const completion = await create({ messages: user(question.text), n: 2 });
  assert.deepEqual(completion.choices.map((choice) => choice.index), [0, 1]);
  for (const choice of completion.choices) ensureAnswered(question, choice.message.content);

  const chunks = await collect(await create({ messages: user(question.text), n: 2, stream: true }));
  for (const index of [0, 1]) ensureAnswered(question, contents(chunks, index));
  const stops = chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.finish_reason === 'stop');
  assert.deepEqual(stops.map((choice) => choice.index).sort(), [0, 1]);
});

// --- What is judged -----------------------------------------------------------------------------------------

test('the last user message is judged', async () => {
  const history = [
    { role: 'developer', content: 'You work for a shop.' },
    ...user(REFUND.text),
    { role: 'assistant', content: '好的，请问订单号是多少？' },
  ];
  assert.equal(await decisionOn([...history, ...user(POEM.text)]), 'reject');
  assert.equal(await decisionOn([...user(POEM.text), ...history, ...user('我的快递到哪了')]), 'forward');
});

test('the words of a message in parts are judged', async () => {
  const words = { type: 'text', text: ENGLISH_POEM.text };
  const completion = await create({ messages: user([PICTURE, words]) });
  ensureAnswered(ENGLISH_POEM, completion.choices[0].message.content);
});

test('what holds no words goes to the model unjudged', async () => {
  const unjudged = () => metric('gate_bypassed_total', { reason: 'no_text' });
  const unjudgedBefore = await unjudged();
  const call = { id: 'call_1', type: 'function', function: { name: 'find_order', arguments: '{}' } };
  const results = [
    { role: 'assistant', tool_calls: [call] },
    { role: 'tool', tool_call_id: 'call_1', content: '1' },
  ];
  assert.equal(await decisionOn(user([PICTURE])), 'forward');
  assert.equal(await decisionOn([...user(POEM.text), ...results], { tools: [TOOL] }), 'forward');
  assert.equal(await unjudged(), unjudgedBefore + 2);
});

forEach(ONE_OF_EACH, 'a front end with tools gets words and no call', async (question) => {
  const options = { tools: [TOOL], tool_choice: 'auto', parallel_tool_calls: false, temperature: 0.2, seed: 7 };
  const { choices } = await create({ messages: user(question.text), ...options });
  assert.deepEqual(choices.map((choice) => [choice.finish_reason, choice.message.tool_calls]), [['stop', undefined]]);
  ensureAnswered(question, choices[0].message.content);
});

// --- The SDK's helpers --------------------------------------------------------------------------------------

forEach(ONE_OF_EACH, 'the stream helper accumulates the reply', async (question) => {
  const options = { stream_options: { include_usage: true }, tools: [TOOL] };
  const stream = client.chat.completions.stream({ model: MODEL, messages: user(question.text), ...options });
  let text = '';
  stream.on('content', (delta, snapshot) => {
    text += delta;
    assert.equal(snapshot, text);
  });
  const content = await stream.finalContent();
  ensureAnswered(question, content);
  assert.equal(text, content);
  const completion = await stream.finalChatCompletion();
  ensureBilled(question, completion.usage, FREE);
  assert.equal(completion.model, MODEL);
  assert.equal(completion.choices[0].finish_reason, 'stop');
  assert.equal(completion.choices[0].message.role, 'assistant');
});

forEach(ONE_OF_EACH, 'the parse helper takes a reply of plain words', async (question) => {
  const completion = await client.chat.completions.parse({ model: MODEL, messages: user(question.text) });
  const { parsed, refusal, content } = completion.choices[0].message;
  assert.deepEqual([parsed, refusal], [null, null]);
  ensureAnswered(question, content);
});

forEach(ONE_OF_EACH, 'the tool runner ends with the reply', async (question) => {
  const run = () => assert.fail('no tool was called for');
  const tool = { type: 'function', function: { ...TOOL.function, function: run, parse: JSON.parse } };
  const options = { model: MODEL, messages: user(question.text), tools: [tool] };
  ensureAnswered(question, await client.chat.completions.runTools(options).finalContent());
  ensureAnswered(question, await client.chat.completions.runTools({ ...options, stream: true }).finalContent());
});

test('the models of the upstream are listed', async () => {
  const { data, response } = await client.models.list().withResponse();
  assert.deepEqual(data.data, [{ id: 'intentgate-demo', object: 'model', created: 0, owned_by: 'intentgate' }]);
  assert.equal(response.headers.has('x-intentgate-decision'), false);
});

// --- Request ids --------------------------------------------------------------------------------------------

forEach(ONE_OF_EACH, 'every reply has a request id', async (question) => {
  const { data, response, request_id } = await create({ messages: user(question.text) }).withResponse();
  assert.match(request_id, /^[0-9a-f]{32}$/);
  assert.equal(response.headers.get('x-request-id'), request_id);
  assert.equal(data._request_id, request_id);
  if (question.intent !== undefined) assert.equal(data.id, `chatcmpl-${request_id}`);
});

forEach(ONE_OF_EACH, 'a request id of the front end is kept', async (question) => {
  const own = { headers: { 'x-request-id': 'front-end-7' } };
  assert.equal((await create({ messages: user(question.text) }, own))._request_id, 'front-end-7');
});

// --- Clients that leave -------------------------------------------------------------------------------------

forEach(ONE_OF_EACH, 'leaving a stream early costs the gateway nothing', async (question) => {
  for (let time = 0; time < 5; time += 1) {
    for await (const chunk of await create({ messages: user(question.text), stream: true })) {
      assert.equal(chunk.choices[0].delta.role, 'assistant');
      break;
    }
  }
  await eventually(() => metric('requests_in_flight'), 0);
  assert.equal(await decisionOn(user(GREETING.text)), 'answer');
});

test('leaving before the reply begins costs the gateway nothing', async () => {
  const hasty = { timeout: 400 };
  await assert.rejects(create({ messages: user(REFUND.text) }, hasty), OpenAI.APIConnectionTimeoutError);
  answered.forward += 1;
  await eventually(() => metric('requests_in_flight'), 0);
  assert.equal(await decisionOn(user(GREETING.text)), 'answer');
});

// --- Errors -------------------------------------------------------------------------------------------------

describe('a failure is an error of the SDK that says what to do', () => {
  const { APIError, BadRequestError, NotFoundError, PermissionDeniedError } = OpenAI;
  const table = [
    {
      name: "a response that the model's server keeps",
      ask: () => client.responses.retrieve('resp_1'),
      error: [PermissionDeniedError, 403, 'path_not_served', 'resp_1 is neither judged nor passed through'],
    },
    {
      name: 'batches, which are not judged',
      ask: () => client.batches.list(),
      error: [PermissionDeniedError, 403, 'path_not_served', 'can add it to upstream.pass_through'],
    },
    {
      name: 'a path that is not listed',
      ask: () => client.files.list(),
      error: [PermissionDeniedError, 403, 'path_not_served', '/v1/files'],
    },
    {
      name: 'a path below a judged one',
      ask: () => client.chat.completions.retrieve('chatcmpl-1'),
      error: [PermissionDeniedError, 403, 'path_not_served', '/v1/chat/completions/chatcmpl-1'],
    },
    {
      name: 'GET where questions are judged',
      ask: () => client.chat.completions.list(),
      error: [APIError, 405, 'method_not_allowed', 'Use POST here.'],
    },
    {
      name: 'messages that are none',
      ask: () => client.post('/chat/completions', { body: { messages: 1 } }),
      error: [BadRequestError, 400, 'unreadable_request', 'the body is no chat completion request: invalid type'],
    },
    {
      name: 'no messages',
      ask: () => client.post('/chat/completions', { body: { model: MODEL } }),
      error: [BadRequestError, 400, 'unreadable_request', 'missing field `messages`'],
    },
    {
      name: 'embeddings, which the demo does not have',
      ask: () => client.embeddings.create({ model: MODEL, input: 'x' }),
      error: [NotFoundError, 404, 'demo_upstream', 'has no /v1/embeddings. Set upstream.url in config.toml'],
    },
    {
      name: 'moderations, which the demo does not have',
      ask: () => client.moderations.create({ input: 'x' }),
      error: [NotFoundError, 404, 'demo_upstream', 'has no /v1/moderations. Set upstream.url in config.toml'],
    },
  ];
  for (const { name, ask, error: [kind, status, code, says] } of table) {
    test(name, async () => {
      const error = await ask().then(() => assert.fail('no error'), (error) => error);
      assert.equal(error.constructor, kind, error);
      assert.deepEqual([error.status, error.code, error.type], [status, code, 'invalid_request_error']);
      assert.equal(error.param, null);
      assert.deepEqual(Object.keys(error.error).sort(), ['code', 'message', 'param', 'type']);
      assert(error.error.message.includes(says), error.error.message);
      assert.match(error.requestID, /^[0-9a-f]{32}$/);
      assert.equal(error.headers.has('x-intentgate-decision'), false);
    });
  }
});

// --- Many at once, and the account of it all ----------------------------------------------------------------

test('fifty at once each get their own reply', async () => {
  const ask = async (number) => {
    const question = QUESTIONS[number % QUESTIONS.length];
    const stream = number % 3 === 0;
    const own = { headers: { 'x-request-id': `many-${number}` } };
    const asking = create({ model: `model-${number}`, messages: user(question.text), stream }, own);
    const { data, response, request_id } = await asking.withResponse();
    assert.equal(response.headers.get('x-intentgate-decision'), question.decision);
    assert.equal(request_id, `many-${number}`);
    const chunks = stream ? await collect(data) : [data];
    assert(chunks.every((chunk) => chunk.model === `model-${number}`));
    ensureAnswered(question, stream ? contents(chunks) : data.choices[0].message.content);
  };
  await Promise.all(Array.from({ length: 50 }, (_, number) => ask(number)));
});

test('the metrics have counted what was sent', async () => {
  const expected = Object.fromEntries(Object.entries(before).map(([k, count]) => [k, count + answered[k]]));
  assert(Object.values(answered).some((count) => count > 0));
  await eventually(counted, expected);
  const all = Object.values(expected).reduce((sum, count) => sum + count);
  // They are told apart beside the requests: a body that comes again at once is no saved call of its own.
  const local = async () => (await metric('llm_calls_saved_total')) + (await metric('repeats_total'));
  await eventually(local, expected.answer + expected.reject);
  assert.equal(await metric('request_duration_seconds_count'), all);
  assert.equal(await metric('upstream_errors_total'), 0);
  assert.equal(await metric('requests_in_flight'), 0);
});
