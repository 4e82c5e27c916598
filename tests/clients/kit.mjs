// What the tests of all Node clients share: the gateway's addresses, questions with what becomes of them, and
// what the gateway has counted.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

export const { BASE_URL, ADMIN_URL } = process.env;
export const MODEL = 'a-model-of-the-front-end';
export const DEMO = { zh: '【演示模型】这个问题已被网关放行', en: '[demo model] The gateway let this question through' };
export const SHOP = { zh: '本店', en: 'our shop' };

export const REFUND = { language: 'zh', text: '我要退款', decision: 'forward' };
export const GREETING = { language: 'zh', text: '你好', decision: 'answer', intent: 'greeting' };
export const POEM = { language: 'zh', text: '帮我写一首关于春天的诗', decision: 'reject', intent: 'writing' };
export const ENGLISH_POEM = { language: 'en', text: 'write me a poem about spring', decision: 'reject', intent: 'writing' };
/** A greeting is no structure: the model is asked. */
export const STRUCTURED_GREETING = { ...GREETING, decision: 'forward', intent: undefined };
export const ONE_OF_EACH = [REFUND, GREETING, POEM];
export const QUESTIONS = [
  ...ONE_OF_EACH,
  ENGLISH_POEM,
  { language: 'en', text: 'where is my refund', decision: 'forward' },
  { language: 'en', text: 'hi there', decision: 'answer', intent: 'greeting' },
  { language: 'zh', text: '今天北京天气怎么样', decision: 'reject', intent: 'weather_news' },
  { language: 'en', text: 'what is the weather like in London today', decision: 'reject', intent: 'weather_news' },
];

/** The text is the demo's, or word for word the reply of the intent's file. */
export function ensureAnswered(question, text) {
  if (question.intent === undefined) {
    assert.equal(text.slice(0, DEMO[question.language].length), DEMO[question.language]);
    return;
  }
  const file = readFileSync(new URL(`../../intents/${question.intent}.toml`, import.meta.url), 'utf8');
  // One language a line, or all of them in one: as the shipped intents have it.
  const inline = `^reply\\s*=.*\\b${question.language}\\s*=\\s*("(?:[^"\\\\]|\\\\.)*")`;
  const found = file.match(new RegExp(`^reply\\.${question.language}\\s*=\\s*(".*")`, 'm')) ?? file.match(new RegExp(inline, 'm'));
  const reply = JSON.parse(found[1]);
  assert.equal(text, reply.replaceAll('{{name}}', SHOP[question.language]));
}

/** A reply of the gateway's own costs nothing; the demo tells what it stands in for, in the same shape. */
export function ensureBilled(question, usage, free) {
  const shape = JSON.stringify(usage, (_, value) => (typeof value === 'number' ? 0 : value));
  assert.deepEqual(JSON.parse(shape), free);
  if (question.intent === undefined) assert.notDeepEqual(usage, free);
  else assert.deepEqual(usage, free);
}

export async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** The sum of a metric's samples that bear these labels, as the admin listener gives them. */
export async function metric(name, labels = {}) {
  const text = await (await fetch(ADMIN_URL)).text();
  const samples = [...text.matchAll(/^intentgate_(\w+)(?:\{(.*)\})? (\S+)$/gm)].filter((s) => s[1] === name);
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const bears = ([, , given = '']) => wanted.every((label) => given.split(',').includes(label));
  return samples.filter(bears).reduce((sum, sample) => sum + Number(sample[3]), 0);
}

/** A reply is counted when its last byte is gone, which may be after the client has read it. */
export async function eventually(read, expected) {
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await sleep(20)) {
    try {
      assert.deepEqual(await read(), expected);
      return;
    } catch (error) {
      if (!(error instanceof assert.AssertionError)) throw error;
    }
  }
  assert.deepEqual(await read(), expected);
}

/** A test for each of the questions. */
export function forEach(questions, name, body) {
  describe(name, () => {
    for (const question of questions) test(`${question.decision}: ${question.text}`, () => body(question));
  });
}
