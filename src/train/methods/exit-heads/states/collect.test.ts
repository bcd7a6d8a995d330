import { mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Meter } from "../../../../engine/bill/meter.ts";
import { Engine } from "../../../../engine/decode/run/engine.ts";
import { openDecoder } from "../../../../models/registry.ts";
import { seededRandom } from "../../../../util/random.ts";
import { openCheckpoint } from "../../../../weights/checkpoint.ts";
import { halfFloats } from "../../../../weights/gguf/half.ts";
import { tempFolder } from "../../../../weights/sources/helpers.testing.ts";
import type { Corpus } from "../corpus.ts";
import { TEACHER_TOP } from "../options.ts";
import { StateCache } from "./cache.ts";
import { collectStates, likeliest } from "./collect.ts";

const fixture = fileURLToPath(new URL("../../../../models/fixtures/smollm3", import.meta.url));
const BLOCK = 24;
const random = seededRandom(8);
const blocks = Array.from({ length: 5 }, () => Int32Array.from({ length: BLOCK + 1 }, () => Math.floor(random() * 60)));
const corpus = { blocks, block: BLOCK } as unknown as Corpus;

const prepared = mkdtempSync(path.join(tmpdir(), "modicum-test-"));
let engine: Engine;
beforeAll(async () => {
  const { decoder, weights } = await openDecoder(openCheckpoint(fixture), prepared, "f32");
  engine = await Engine.create(decoder, weights);
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(prepared, { recursive: true, force: true });
});

const cacheAt = (folder: string, layers: readonly number[]) =>
  new StateCache(BLOCK, engine.programs.decoder.config.hidden, layers, folder);
const bytes = (folder: string, name: string) => readFileSync(path.join(folder, name));

test("the model's likeliest tokens are its answers'", async () => {
  using cache = cacheAt(tempFolder(), [1, 2, 3]);
  await collectStates(engine, corpus, cache, {});
  for (const row of [0, 4]) {
    const slot = engine.acquireEmpty();
    const logits = await engine.prefill(slot, [...blocks[row]!.subarray(0, BLOCK)], new Meter(engine.programs));
    expect([...cache.teacher(row).subarray(-TEACHER_TOP)]).toEqual([...likeliest(logits, TEACHER_TOP)]);
    engine.release(slot);
  }
});

test("states do not depend on which other layers are stored", async () => {
  const [all, one] = [tempFolder(), tempFolder()];
  using many = cacheAt(all, [1, 2, 3]);
  using few = cacheAt(one, [2]);
  await collectStates(engine, corpus, many, {});
  await collectStates(engine, corpus, few, {});
  const floats = halfFloats();
  const states = (folder: string) =>
    Array.from(new Uint16Array(new Uint8Array(bytes(folder, "layer-2")).buffer), (half) => floats[half]!);
  const [a, b] = [states(all), states(one)];
  expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))).toBeLessThan(2e-3);
  expect(Math.max(...a.map(Math.abs))).toBeGreaterThan(0.1);
});

test("an interrupted run resumes to the same bytes, and adding layers does not run the others again", async () => {
  const [whole, parted] = [tempFolder(), tempFolder()];
  using first = cacheAt(whole, [1, 3]);
  await collectStates(engine, corpus, first, {});
  const stop = new AbortController();
  {
    using second = cacheAt(parted, [1, 3]);
    const onProgress = ({ done }: { done: number }) => done === 2 && stop.abort(new Error("cut off"));
    const terms = { signal: stop.signal, onProgress };
    await expect(collectStates(engine, corpus, second, terms)).rejects.toThrow("cut off");
  }
  const rows: number[] = [];
  const onProgress = ({ done }: { done: number }) => void rows.push(done);
  {
    using third = cacheAt(parted, [1, 3]);
    await collectStates(engine, corpus, third, { onProgress });
  }
  expect(rows).toEqual([3, 4, 5]);
  for (const name of ["layer-1", "layer-3", "teacher"]) expect(bytes(parted, name)).toEqual(bytes(whole, name));
  using more = cacheAt(parted, [1, 2]);
  await collectStates(engine, corpus, more, {});
  expect(bytes(parted, "layer-1")).toEqual(bytes(whole, "layer-1"));
  expect(bytes(parted, "layer-2").length).toBe(bytes(whole, "layer-1").length);
});

test("a partial block does not count", async () => {
  const folder = tempFolder();
  {
    using cache = cacheAt(folder, [2]);
    await collectStates(engine, corpus, cache, {});
  }
  truncateSync(path.join(folder, "layer-2"), bytes(folder, "layer-2").length - 3);
  using cache = cacheAt(folder, [2]);
  expect(cache.begin(blocks.length)).toBe(blocks.length - 1);
});
