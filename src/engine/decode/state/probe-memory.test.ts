import { expect, test } from "vitest";
import { ProbeMemory } from "./probe-memory.ts";

const state = (value: number) => Float32Array.of(value);

/** The states for key "a" after each of several lengths, truncating from the longest down. */
function goingBack(memory: ProbeMemory, lengths: readonly number[]): (number | undefined)[] {
  return lengths.map((length) => {
    memory.truncate(length);
    return memory.get("a")?.[0];
  });
}

test("goes back to what was kept: the prompt's state, and those since the least length", () => {
  const memory = new ProbeMemory();
  memory.beginPrompt(10);
  memory.put("a", 6, state(6), 6);
  memory.put("a", 10, state(10), 10);
  // The last two of five tokens may still be removed.
  for (const [tokens, least] of [
    [11, 10],
    [12, 11],
    [13, 12],
    [14, 12],
    [15, 12],
  ] as const)
    memory.put("a", tokens, state(tokens), least);
  expect(goingBack(memory, [15, 14, 13, 12, 11, 10])).toEqual([15, 14, 13, 12, 10, 10]);
});

test("a state that a token did not reach stays the one before it", () => {
  const memory = new ProbeMemory();
  memory.beginPrompt(3);
  memory.put("a", 3, state(3), 3);
  memory.put("a", 6, state(6), 4);
  expect(goingBack(memory, [7, 5])).toEqual([6, 3]);
});

test("a sequence that is cut within its prompt begins anew", () => {
  const memory = new ProbeMemory();
  memory.beginPrompt(3);
  memory.put("a", 3, state(3), 3);
  memory.put("b", 3, state(4), 3);
  expect(goingBack(memory, [2])).toEqual([undefined]);
  expect(memory.get("b")).toBeUndefined();
});
