import assert from "node:assert/strict";
import { test } from "node:test";
import { createChannelQuestion } from "./channel-question.ts";
import type { ChannelFacts } from "./control-plane-facts.ts";

const SIGNAL = new AbortController().signal;
const AWAY: ChannelFacts = { problem: "Cannot reach the registry" };
const NAMED: ChannelFacts = { image: "r.example/cp@sha256:aa", version: "1.0.0", obtainable: true };

/** A registry that answers when it is told to, and a clock that moves when it is told to. */
function scene() {
  const waiting: ((answer: ChannelFacts) => void)[] = [];
  let nowMs = 0;
  const question = createChannelQuestion({ monotonic: () => nowMs }, () => {
    return new Promise<ChannelFacts>((resolve) => waiting.push(resolve));
  });
  const says = async (answer: ChannelFacts): Promise<void> => {
    waiting.at(-1)?.(answer);
    await Promise.resolve();
    await Promise.resolve();
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { question, says, times: () => waiting.length, pass };
}

test("a question that was begun is waited for, not asked twice", async () => {
  const { question, says, times } = scene();
  question.begin(SIGNAL);
  question.begin(SIGNAL);
  const answer = question.answer(SIGNAL);
  await says(NAMED);
  assert.deepEqual(await answer, NAMED);
  assert.equal(times(), 1);
});

test("a registry that has just been away costs no second wait", async () => {
  const { question, says, times, pass } = scene();
  question.begin(SIGNAL);
  await says(AWAY);
  pass(5_000);
  question.begin(SIGNAL);
  assert.deepEqual(await question.answer(SIGNAL), AWAY);
  assert.equal(times(), 1);
});

test("a step that begins a while later asks again in the background", async () => {
  const { question, says, times, pass } = scene();
  question.begin(SIGNAL);
  await says(AWAY);
  pass(15_000);
  question.begin(SIGNAL);
  await says(NAMED);
  pass(40_000);
  assert.deepEqual(await question.answer(SIGNAL), NAMED);
  assert.equal(times(), 2);
});

test("an answer of long ago is asked for anew, whatever it was", async () => {
  for (const before of [AWAY, NAMED]) {
    const { question, says, times, pass } = scene();
    question.begin(SIGNAL);
    await says(before);
    pass(60_000);
    const answer = question.answer(SIGNAL);
    await says(NAMED);
    assert.deepEqual(await answer, NAMED);
    assert.equal(times(), 2);
  }
});

test("nobody has begun: it is asked", async () => {
  const { question, says } = scene();
  const answer = question.answer(SIGNAL);
  await says(AWAY);
  assert.deepEqual(await answer, AWAY);
});
