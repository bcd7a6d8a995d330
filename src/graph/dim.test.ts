import { describe, expect, test } from "vitest";
import { add, atMost, evalDim, evalShape, mul, sameDim, sameShape, showShape, sym, volume } from "./dim.ts";

const [tokens, past, batch] = [sym("tokens"), sym("past"), sym("batch")];

describe("algebra", () => {
  test("numbers stay numbers", () => {
    expect(add()).toBe(0);
    expect(mul()).toBe(1);
    expect(add(2, 3, -1)).toBe(4);
    expect(mul(2, 3, 0.5)).toBe(3);
  });

  test("what cancels is a number again", () => {
    expect(add(tokens, mul(-1, tokens))).toBe(0);
    expect(add(tokens, 5, mul(-1, tokens))).toBe(5);
    expect(mul(tokens, 0)).toBe(0);
    expect(mul(add(tokens, 1), add(tokens, -1), 1)).not.toBe(0);
  });

  test("sums and products commute, associate and distribute", () => {
    expect(sameDim(add(tokens, past), add(past, tokens))).toBe(true);
    expect(sameDim(mul(tokens, past, batch), mul(batch, mul(past, tokens)))).toBe(true);
    expect(sameDim(mul(add(tokens, 2), add(past, 3)), add(mul(tokens, past), mul(3, tokens), mul(2, past), 6))).toBe(
      true,
    );
    expect(sameDim(mul(add(tokens, past), add(tokens, past)), mul(tokens, tokens))).toBe(false);
  });

  test("symbols of one name are one symbol, of two names two", () => {
    expect(sameDim(sym("tokens"), tokens)).toBe(true);
    expect(sameDim(sym("token"), tokens)).toBe(false);
    expect(sameDim(tokens, 1)).toBe(false);
  });
});

describe("evaluation", () => {
  test("a polynomial equals its arithmetic", () => {
    const dim = add(mul(0.5, tokens, tokens), mul(tokens, past), mul(7, batch), -3);
    for (const t of [0, 1, 513])
      for (const p of [0, 2, 8191])
        expect(evalDim(dim, { tokens: t, past: p, batch: 3 })).toBe(0.5 * t * t + t * p + 21 - 3);
  });

  test("values beyond 2^32 are exact", () => {
    expect(evalDim(mul(tokens, tokens, tokens), { tokens: 200_000 })).toBe(8e15);
  });

  test("a symbol without a value is named", () => {
    expect(() => evalDim(mul(tokens, past), { tokens: 1 })).toThrow(
      'the symbolic dimension "past" has no value in this run',
    );
  });

  test("shapes", () => {
    expect(evalShape([batch, 3, mul(2, tokens)], { batch: 2, tokens: 5 })).toEqual([2, 3, 10]);
    expect(evalDim(volume([batch, 3, tokens]), { batch: 2, tokens: 5 })).toBe(30);
    expect(volume([])).toBe(1);
  });
});

test("the lesser of a dim and a number has its value from the dim's symbols", () => {
  const read = add(mul(10, atMost(mul(2, batch, tokens), 8)), tokens);
  expect(evalDim(read, { batch: 1, tokens: 1 })).toBe(21);
  expect(evalDim(read, { batch: 2, tokens: 64 })).toBe(144);
  expect(String(read)).toBe("tokens+10*min(2·batch·tokens, 8)");
  expect(atMost(12, 8)).toBe(8);
  expect(sameDim(atMost(tokens, 4), atMost(tokens, 5))).toBe(false);
});

test("sameShape compares rank and every dimension", () => {
  expect(sameShape([batch, 3], [batch, 3])).toBe(true);
  expect(sameShape([batch, 3], [3, batch])).toBe(false);
  expect(sameShape([batch, 3], [batch, 3, 1])).toBe(false);
  expect(sameShape([], [])).toBe(true);
});

test.each([
  [tokens, "tokens"],
  [add(tokens, 1), "tokens+1"],
  [add(tokens, -1), "tokens-1"],
  [mul(2, past, tokens), "2*past*tokens"],
  [add(mul(0.5, tokens, tokens), mul(tokens, past), 4), "0.5*tokens*tokens+past*tokens+4"],
])("prints as %s", (dim, text) => {
  expect(String(dim)).toBe(text);
});

test("a shape prints in brackets", () => {
  expect(showShape([batch, add(past, tokens), 64])).toBe("[batch, tokens+past, 64]");
});
