// Replies that break off, as the official Node clients see them: an error of the API's, never half a reply that looks
// whole or that nobody can parse.
//
// `run.sh` starts another gateway for this, in front of `broken_upstream.py`, and gives its address as BROKEN_URL.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

import { collect } from './kit.mjs';

const URL = process.env.BROKEN_URL;
const options = { apiKey: 'any', maxRetries: 0, timeout: 30_000 };
const openai = new OpenAI({ baseURL: URL, ...options });
const anthropic = new Anthropic({ baseURL: URL.replace(/\/v1$/, ''), ...options });
const messages = [{ role: 'user', content: '我要退款' }];

const CREATE = {
  chat: (given) => openai.chat.completions.create({ messages, ...given }),
  completions: (given) => openai.completions.create({ prompt: '我要退款', ...given }),
  responses: (given) => openai.responses.create({ input: '我要退款', ...given }),
  messages: (given) => anthropic.messages.create({ messages, max_tokens: 9, ...given }),
};

for (const [protocol, create] of Object.entries(CREATE)) {
  describe(protocol, () => {
    for (const model of ['half-chunked', 'half-length', 'half-close', 'unmarked-close']) {
      test(`${model}: the stream ends with an error of the API`, async () => {
        const stream = await create({ model, stream: true });
        const came = [];
        const reading = async () => {
          for await (const event of stream) came.push(event);
        };
        await assert.rejects(reading, (error) => {
          assert(error instanceof OpenAI.APIError || error instanceof Anthropic.APIError, error);
          assert.match(error.message, /broke off in the middle of its reply/);
          return true;
        });
        assert.equal(came.length, 1);
      });
    }
    for (const model of ['marked-chunked', 'marked-close', 'unmarked-chunked']) {
      test(`${model}: the stream ends without an error`, async () => {
        const came = await collect(await create({ model, stream: true }));
        assert([1, 2].includes(came.length));
      });
    }
    for (const model of ['json-length', 'json-chunked', 'json-close']) {
      test(`${model}: the reply is no reply`, async () => {
        await assert.rejects(create({ model }), (error) => {
          // What Node makes of a body that breaks off, not what it makes of half a document.
          assert(!(error instanceof SyntaxError), error);
          return true;
        });
      });
    }
  });
}
