import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { KvCache } from "../../../models/state/cache.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { BATCH_ROWS } from "../run/batch.ts";
import { Engine } from "../run/engine.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-slots-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function open(file: string): Promise<Engine> {
  const source = fileURLToPath(new URL(`../../../models/fixtures/${file}`, import.meta.url));
  const { decoder, weights } = await openDecoder(openCheckpoint(source), path.join(folder, file), "f32");
  return Engine.create(decoder, weights);
}

const run = (start: number, length: number) => Array.from({ length }, (_, i) => 3 + ((start + i * 7) % 40));

/** A slot after a prompt has run, and the logits after the prompt. */
async function filled(engine: Engine, prompt: readonly number[]) {
  const slot = engine.acquire(prompt);
  const cached = slot.tokens.length;
  const logits = (await engine.prefill(slot, prompt, new Meter(engine.programs))).slice();
  return { slot, cached, logits };
}

const worst = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

describe.each([
  { kind: "without windows", file: "llama-tiny.gguf", system: 40 },
  { kind: "with windows", file: "gemma3/model.safetensors", system: 40 },
])("a model $kind", ({ file, system }) => {
  const shared = run(1, system);
  const prompts = [0, 1, 2].map((i) => [...shared, 50 + i, ...run(5 * i, 6)]);

  test("a prefix is taken from a row in use: logits as without, the row's own sequence goes on as before", async () => {
    using engine = await open(file);
    using other = await open(file);
    const first = await filled(engine, prompts[0]!);
    const second = await filled(engine, prompts[1]!);
    expect([first.cached, second.cached]).toEqual([0, system]);
    const alone = await filled(other, prompts[1]!);
    expect(worst(second.logits, alone.logits)).toBeLessThan(1e-5);
    const meter = new Meter(engine.programs);
    const next = (await engine.step(first.slot, 9, meter)).slice();
    other.release(alone.slot);
    other.forget();
    const { slot } = await filled(other, prompts[0]!);
    expect(worst(next, await other.step(slot, 9, meter))).toBeLessThan(1e-5);
    for (const { slot: own } of [first, second]) engine.release(own);
  });

  test("a sequence begins beside those that run, and what its row held goes where it was", async () => {
    using engine = await open(file);
    using other = await open(file);
    const held = [];
    for (const i of [0, 1, 2, 3]) held.push((await filled(engine, [41 + i, ...run(i, 20 + i)])).slot);
    const { slots } = engine.slots.batches[0]!;
    expect(held).toEqual(slots.slice(0, 4));
    // Only the third of the first three slots is next to the last running one.
    for (const slot of held.slice(0, 3)) engine.release(slot);
    const prompt = [41, ...run(0, 20), 5];
    const again = await filled(engine, prompt);
    expect(again.slot).toBe(slots[2]);
    expect(again.cached).toBe(21);
    expect(worst(again.logits, (await filled(other, prompt)).logits)).toBeLessThan(1e-5);
    const third = await filled(engine, [43, ...run(2, 22), 6]);
    expect([third.slot, third.cached]).toEqual([slots[1], 23]);
    expect(worst(third.logits, (await filled(other, [43, ...run(2, 22), 6])).logits)).toBeLessThan(1e-5);
  });

  test("what loses its row to others is found again, within the limit: the last used", async () => {
    using engine = await open(file);
    using other = await open(file);
    const others = Array.from({ length: BATCH_ROWS }, (_, i) => [41 + i, ...run(i, 60)]);
    const { slot } = await filled(engine, prompts[0]!);
    engine.release(slot);
    const held = [];
    for (const prompt of others) held.push((await filled(engine, prompt)).slot);
    for (const own of held) engine.release(own);
    const again = await filled(engine, prompts[2]!);
    expect(again.cached).toBe(system);
    expect(engine.slots.busyTokens).toBe(prompts[2]!.length);
    expect(engine.slots.bytes).toBe(engine.slots.keptBytes + again.slot.bytes);
    expect(worst(again.logits, (await filled(other, prompts[2]!)).logits)).toBeLessThan(1e-5);
    engine.slots.limit = 0;
    engine.release(again.slot);
    expect(engine.slots.keptBytes).toBe(again.slot.bytes);
    expect(engine.slots.reusable(others[0]!, "")).toBe(0);
    expect(engine.slots.reusable(prompts[2]!, "")).toBe(prompts[2]!.length - 1);
  });
});

test.each(["llama-tiny.gguf", "gemma3/model.safetensors"])(
  "%s: what is put aside goes where the oldest lay: the same logits",
  async (file) => {
    using engine = await open(file);
    using other = await open(file);
    const prompts = Array.from({ length: 3 * BATCH_ROWS }, (_, i) => [40 + i, ...run(i, i % 2 ? 60 : 50)]);
    const disposals = vi.spyOn(KvCache.prototype, Symbol.dispose);
    for (const [i, prompt] of prompts.entries()) {
      const { slot } = await filled(engine, prompt);
      engine.release(slot);
      if (i === 1) engine.slots.limit = (BATCH_ROWS + 4) * slot.bytes;
      expect(engine.slots.keptBytes).toBeLessThan(engine.slots.limit);
    }
    expect(disposals).not.toHaveBeenCalled();
    expect(engine.slots.reusable(prompts[0]!, "")).toBe(0);
    const cachedPrompt = prompts.at(-BATCH_ROWS - 2)!;
    const again = await filled(engine, [...cachedPrompt, 9]);
    expect(again.cached).toBe(cachedPrompt.length);
    expect(worst(again.logits, (await filled(other, [...cachedPrompt, 9])).logits)).toBeLessThan(1e-5);
  },
);

test("memory that was given back is written anew: the same logits", async () => {
  using engine = await open("llama-tiny.gguf");
  engine.slots.limit = 0;
  const prompts = [run(0, 90), run(20, 30)];
  const first = await filled(engine, prompts[0]!);
  engine.release(first.slot);
  engine.release((await filled(engine, prompts[1]!)).slot);
  expect(engine.slots.reusable(prompts[0]!, "")).toBe(0);
  const again = await filled(engine, prompts[0]!);
  expect(again.logits).toEqual(first.logits);
});

test("a row that held a long sequence gives its memory back to a short one: the same logits", async () => {
  using engine = await open("llama-tiny.gguf");
  engine.slots.limit = 0;
  const long = await filled(engine, run(0, 240));
  const written = long.slot.bytes;
  engine.release(long.slot);
  const [short, again] = [run(0, 20), run(0, 240)];
  const next = await filled(engine, short);
  expect(next.slot).toBe(long.slot);
  expect(next.slot.bytes).toBeLessThan(written / 2);
  engine.release(next.slot);
  using other = await open("llama-tiny.gguf");
  expect(worst(next.logits, (await filled(other, short)).logits)).toBeLessThan(1e-5);
  expect(worst((await filled(engine, again)).logits, long.logits)).toBeLessThan(1e-5);
});
