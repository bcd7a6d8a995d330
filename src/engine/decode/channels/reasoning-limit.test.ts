import { describe, expect, test } from "vitest";
import { HARMONY, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { byteSource } from "../../../weights/tokenizer/tokenizer.testing.ts";
import type { Hold } from "../grammar/constraint.ts";
import type { AnswerForm } from "./answer-form.ts";
import { harmonyForm } from "./harmony.ts";
import { ReasoningLimit } from "./reasoning-limit.ts";
import { thinkForm } from "./think.ts";

const think = new Tokenizer(byteSource(["</think>"]));
const harmony = new Tokenizer(byteSource(Object.values(HARMONY)));
const opened = thinkForm(think, "<think>\n", "");
const unopened = thinkForm(think, "assistant\n", "");

const idsOf = (tokenizer: Tokenizer, text: string): number[] => tokenizer.encode(text, { special: true });
const textOf = (tokenizer: Tokenizer, ids: readonly number[]): string => ids.map((id) => tokenizer.text(id)).join("");

function limitOf(budget: number, form: AnswerForm, inner?: Hold, tokenizer = think): ReasoningLimit {
  return new ReasoningLimit({ form, tokenizer, budget, closing: idsOf(tokenizer, form.closing) }, inner);
}

/** The tokens allowed next. */
function allowed(hold: Hold, logits = new Float32Array(think.vocabSize).fill(1)): number[] {
  hold.restrict(logits);
  return [...logits.keys()].filter((id) => logits[id] !== Number.NEGATIVE_INFINITY);
}

/** An answer that takes the only allowed token if there is just one, and otherwise the model's choice. */
function answer(limit: Hold, written: string, tokenizer = think): string {
  const [ids, free] = [[] as number[], idsOf(tokenizer, written)];
  for (;;) {
    const [only, ...others] = allowed(limit, new Float32Array(tokenizer.vocabSize).fill(1));
    const next = others.length === 0 ? only : free.shift();
    if (next === undefined) return textOf(tokenizer, ids);
    limit.accept(next);
    ids.push(next);
  }
}

const shown = (text: string, tokenizer = think): string => textOf(tokenizer, idsOf(tokenizer, text));

describe("a budget", () => {
  test.each([
    [0, "\n</think>\n\nabcd"],
    [1, "a\n</think>\n\nbcd"],
    [3, "abc\n</think>\n\nd"],
    [4, "abcd\n</think>\n\n"],
    [5, "abcd"],
  ])("of %i tokens is held exactly", (budget, text) => {
    expect(answer(limitOf(budget, opened), "abcd")).toBe(shown(text));
  });

  test("of none leaves an opening free, and closes behind it", () => {
    expect(answer(limitOf(0, unopened), "<think>ab")).toBe(shown("<think>\n</think>\n\nab"));
  });

  test("is nothing to an answer without reasoning, or whose reasoning ends in time", () => {
    expect(answer(limitOf(0, unopened), "abc")).toBe(shown("abc"));
    expect(answer(limitOf(3, opened), "ab</think>cdef")).toBe(shown("ab</think>cdef"));
  });
});

test("the closing comes token by token, whatever the logits say of it", () => {
  const limit = limitOf(0, opened);
  const closing = idsOf(think, "\n</think>\n\n");
  expect(closing).toHaveLength(4);
  for (const token of closing) {
    const logits = new Float32Array(think.vocabSize).fill(1);
    logits[token] = Number.NEGATIVE_INFINITY;
    expect(allowed(limit, logits)).toEqual([token]);
    limit.accept(token);
  }
  expect(allowed(limit)).toHaveLength(think.vocabSize);
});

test("a fork in the middle of the closing ends it by itself", () => {
  const limit = limitOf(1, opened);
  for (const token of idsOf(think, "a\n</think>")) limit.accept(token);
  const fork = limit.fork();
  expect(answer(limit, "bc")).toBe(shown("\n\nbc"));
  expect(answer(fork, "de")).toBe(shown("\n\nde"));
});

test("a fork in the reasoning goes on with what is left of the budget", () => {
  const limit = limitOf(2, opened);
  limit.accept(idsOf(think, "a")[0]!);
  const fork = limit.fork();
  expect(answer(limit, "</think>bcd")).toBe(shown("</think>bcd"));
  expect(answer(fork, "efg")).toBe(shown("e\n</think>\n\nfg"));
});

test("reasoning that opens again in channels is closed at once, and again", () => {
  const { start, channel, message, end } = HARMONY;
  const analysis = `${channel}analysis${message}`;
  const closing = `${end}${start}assistant${channel}final${message}`;
  const written = `${analysis}abcd${end}${start}assistant${analysis}e`;
  const text = `${analysis}ab${closing}cd${end}${start}assistant${analysis}${closing}e`;
  expect(answer(limitOf(2, harmonyForm(), undefined, harmony), written, harmony)).toBe(shown(text, harmony));
});

test("two stretches of reasoning share the budget", () => {
  const { start, channel, message, end } = HARMONY;
  const analysis = `${channel}analysis${message}`;
  const closing = `${end}${start}assistant${channel}final${message}`;
  // The token that ends the first message counts as well.
  const written = `${analysis}a${end}${start}assistant${analysis}bcd`;
  const text = `${analysis}a${end}${start}assistant${analysis}b${closing}cd`;
  expect(answer(limitOf(3, harmonyForm(), undefined, harmony), written, harmony)).toBe(shown(text, harmony));
});

/** Allows only digits, and is complete after two. */
class Digits implements Hold {
  constructor(readonly tokens: number[] = []) {}

  restrict(logits: Float32Array): void {
    for (const id of logits.keys()) if (!/^\d$/.test(think.text(id))) logits[id] = Number.NEGATIVE_INFINITY;
  }

  accept(token: number): void {
    this.tokens.push(token);
  }

  get complete(): boolean {
    return this.tokens.filter((id) => /^\d$/.test(think.text(id))).length === 2;
  }

  fork(): Digits {
    return new Digits([...this.tokens]);
  }
}

test("another restriction gives way to the closing, holds the text, and sees every token", () => {
  const inner = new Digits();
  const limit = limitOf(1, opened, inner);
  limit.accept(idsOf(think, "a")[0]!);
  const closing = idsOf(think, "\n</think>\n\n");
  for (const token of closing) {
    expect(allowed(limit)).toEqual([token]);
    limit.accept(token);
  }
  const digits = idsOf(think, "0123456789");
  expect(allowed(limit)).toEqual(digits);
  limit.accept(digits[4]!);
  const fork = limit.fork();
  limit.accept(digits[2]!);
  expect(inner.tokens).toEqual([...idsOf(think, "a"), ...closing, digits[4], digits[2]]);
  expect([limit.complete, fork.complete]).toEqual([true, false]);
});
