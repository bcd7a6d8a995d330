import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { texts } from "../run/batch.testing.ts";
import { Engine } from "../run/engine.ts";
import { logitsAlong } from "./logits-along.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-logits-along-"));
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * The same logits from decode steps, for a text that runs on its own; a text beyond the short rope factors runs again.
 */
async function stepwise(engine: Engine, context: readonly number[], text: readonly number[]): Promise<number[][]> {
  const meter = new Meter(engine.programs);
  const slot = engine.acquireEmpty(context);
  const all = [Array.from(await engine.prefill(slot, context, meter))];
  for (const [i, token] of text.slice(0, -1).entries()) {
    const fits = slot.fits(slot.tokens.length + 1);
    const before = [...context, ...text.slice(0, i + 1)];
    if (!fits) slot.prepare(before.length);
    all.push(Array.from(fits ? await engine.step(slot, token, meter) : await engine.prefill(slot, before, meter)));
  }
  engine.release(slot);
  return all;
}

// The total lengths of context and longest text: the limits of gemma3 and phi3-long; the latter's long rope begins after 48.
test.each([
  ["llama-tiny.gguf", 64],
  ["gemma3/model.safetensors", 64],
  ["mamba/model.safetensors", 24],
  ["phi3-long/model.safetensors", 64],
])("%s: logits along several texts equal its decode steps'", async (file, length) => {
  const { decoder, weights } = await openDecoder(openCheckpoint(fixture(file)), path.join(folder, file), "f32");
  using engine = await Engine.create(decoder, weights);
  const { vocabulary } = decoder.config;
  const [context, ...several] = texts(4, vocabulary, length / 2 - 1, 1).map(({ prompt }) => prompt) as [
    number[],
    ...number[][],
  ];
  const longest = Array.from({ length: length - context.length }, (_, i) => (7 * i) % vocabulary);
  const along = [...several, several[0]!.slice(0, 1), longest];
  const results: number[][][] = along.map(() => []);
  await logitsAlong(engine, { context, texts: along }, new Meter(engine.programs), (text, token, logits) => {
    expect(token).toBe(results[text]!.length);
    results[text]!.push(Array.from(logits));
  });
  for (const [i, text] of along.entries()) {
    const expected = await stepwise(engine, context, text);
    expect(results[i]!.length).toBe(text.length);
    const worst = Math.max(
      ...expected.flatMap((row, at) => row.map((value, id) => Math.abs(value - results[i]![at]![id]!))),
    );
    expect(worst).toBeLessThan(1e-4);
  }
});
