import { expect, test } from "vitest";
import type { DecoderConfig } from "../decoder/decoder.ts";
import { KvCache } from "./cache.ts";
import type { StateGroup } from "./kv-group.ts";
import { groupOf, sequenceBytes } from "./state-groups.ts";

/** Layers: attention, a state, attention, a state; the first has a window. */
const config: DecoderConfig = {
  ...{ layers: 4, hidden: 8, heads: 2, kvHeads: 1, headSize: 4, vocabulary: 16, context: 2048 },
  recurrent: (layer) => (layer % 2 === 1 ? 5 + layer : undefined),
  window: (layer) => (layer === 0 ? 64 : undefined),
};
const FLOATS = 6 + 8;

const positions = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** Simulates a run of tokens `from` to `to` − 1: keys hold their positions, states the number of tokens. */
function run(cache: KvCache, group: StateGroup, from: number, to: number): void {
  group.begin();
  for (const layer of [0, 2]) {
    const { key, offset } = cache.place(layer, 0, from);
    const memory = new Float32Array(key.memory, 4 * offset, 4 * (to - from));
    memory.forEach((_, i) => {
      memory[i] = from + Math.floor(i / 4);
    });
  }
  for (const layer of [1, 3]) cache.state(layer).fill(to);
  group.grow(positions(from, to));
}

const keysOf = (cache: KvCache, layer: number, tokens: number) =>
  [...new Float32Array(cache.place(layer, 0, 0).key.memory, 0, 4 * tokens)].filter((_, i) => i % 4 === 0);

test("a sequence of both kinds is cut back to where its states are", () => {
  using cache = new KvCache(config);
  const group = groupOf(cache);
  run(cache, group, 0, 10);
  group.mark();
  run(cache, group, 10, 15);
  expect([group.reusable(15), group.reusable(14), group.reusable(10), group.reusable(9)]).toEqual([15, 10, 10, 0]);
  expect(group.truncate(12)).toBe(10);
  expect(group.length).toBe(10);
  expect(cache.state(1)[0]).toBe(10);
  expect(keysOf(cache, 2, 10)).toEqual(positions(0, 10));
  expect(group.truncate(9)).toBe(0);
});

test("where a window has let keys go, no snapshot before them helps", () => {
  using cache = new KvCache(config);
  const group = groupOf(cache);
  run(cache, group, 0, 20);
  group.mark();
  run(cache, group, 20, 900);
  expect(group.reusable(900)).toBe(900);
  expect(group.reusable(899)).toBe(0);
});

test("another row takes keys and the snapshot's states together", () => {
  using from = new KvCache(config);
  using to = new KvCache(config);
  const [source, target] = [groupOf(from), groupOf(to)];
  run(from, source, 0, 10);
  source.mark();
  run(from, source, 10, 15);
  run(to, target, 0, 3);
  target.copy(source, 10);
  expect(target.length).toBe(10);
  expect([to.state(1)[0], to.state(3)[0]]).toEqual([10, 10]);
  expect(keysOf(to, 0, 10)).toEqual(positions(0, 10));
  target.exchange(source);
  expect([target.length, source.length]).toEqual([15, 10]);
  expect([to.state(3)[0], from.state(3)[0]]).toEqual([15, 10]);
});

test("parts of the layers have their own entries and states, and become one again", () => {
  using cache = new KvCache(config);
  const group = groupOf(cache);
  run(cache, group, 0, 10);
  group.mark();
  const [first, deeper] = group.split(2);
  expect([first.layers, deeper.layers]).toEqual([
    { from: 0, to: 2 },
    { from: 2, to: 4 },
  ]);
  first.begin();
  first.grow([10]);
  expect([first.length, deeper.length]).toEqual([11, 10]);
  first.truncate(10);
  const whole = first.join([deeper]);
  expect([whole.length, whole.reusable(10), whole.layers.to]).toEqual([10, 10, 4]);
  cache.state(3).fill(0);
  expect(whole.truncate(9)).toBe(0);
});

test("layers of both kinds keep entries and states", () => {
  const both: DecoderConfig = {
    ...config,
    recurrent: () => 5,
    sides: { attentionIn: 1, attentionOut: 1, mixerOut: 1 },
  };
  using cache = new KvCache(both);
  const group = groupOf(cache);
  const written = (from: number, to: number) => {
    group.begin();
    for (const layer of [0, 1, 2, 3]) {
      const { key, offset } = cache.place(layer, 0, from);
      new Float32Array(key.memory, 4 * offset, 4 * (to - from)).fill(to);
      cache.state(layer).fill(to);
    }
    group.grow(positions(from, to));
  };
  written(0, 10);
  group.mark();
  written(10, 15);
  expect([group.reusable(15), group.reusable(14)]).toEqual([15, 10]);
  expect(group.truncate(14)).toBe(10);
  expect([0, 3].map((layer) => cache.state(layer)[0])).toEqual([10, 10]);
  expect(keysOf(cache, 3, 10)).toEqual(new Array(10).fill(10));
  // The current state, and its snapshot.
  expect(group.bytes).toBe(2 * 15 * 4 * 4 * 4 + 2 * 4 * 4 * 5);
});

test("bytes are counted by each layer's own kind", () => {
  using cache = new KvCache(config);
  const group = groupOf(cache);
  run(cache, group, 0, 10);
  const keys = 2 * 10 * 2 * 4 * 4;
  expect(group.bytes).toBe(keys + 4 * FLOATS);
  group.mark();
  expect(group.bytes).toBe(keys + 2 * 4 * FLOATS);
  expect(sequenceBytes(config, 10)).toBe(keys + 4 * FLOATS);
  group.truncate(0);
  group.trim(0);
  expect(group.bytes).toBe(0);
});
