/** Entries that deeper layers keep for a token that exited, on a float32 model of four layers. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KvCache } from "../../../models/state/cache.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { streamProbe } from "../../../savings/depth/dynamax/rules.ts";
import type { CutInputs } from "../../../savings/plan.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { LanguageModel } from "../language-model.ts";
import { begin, leave, stepping, stepRows, watching } from "./exits.testing.ts";
import { cacheBinding } from "./stack-buffers.ts";

const path = fileURLToPath(new URL("../../../../packages/models/expertrag-world", import.meta.url));

let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(path), "f32");
});
afterAll(() => model[Symbol.dispose]());

const prompt = Array.from({ length: 30 }, (_, i) => 10 + ((i * 37) % 400));

/** A layer's key and value of the token at `position`, from the stream before the layer: [heads · headSize] each. */
async function entryBy(stream: Float32Array, layer: number, position: number) {
  const { programs } = model.engine;
  const { hidden, heads, kvHeads, headSize } = model.decoder.config;
  using branch = new Buffer("f32", hidden);
  using residual = new Buffer("f32", hidden);
  using qkv = new Buffer("f32", (heads + 2 * kvHeads) * headSize);
  using wide = new Buffer("f32", heads * headSize);
  using lengths = new Buffer("i32", 2);
  using positions = new Buffer("i64", 1);
  using cache = new KvCache(model.decoder.config, 1, 64);
  new Float32Array(branch.memory).set(stream);
  new Float32Array(residual.memory).fill(0);
  new Int32Array(lengths.memory).set([position, position + 1]);
  new BigInt64Array(positions.memory)[0] = BigInt(position);
  const row = (buffer: Buffer) => buffer.view([1, 1, buffer.elements]);
  const views = {
    ...{ branch: row(branch), residual: row(residual), qkv: row(qkv), attendedResidualOut: row(wide) },
    ...{
      attended: row(wide),
      lengths: lengths.view([1]),
      total: lengths.view([], 1),
      positions: positions.view([1, 1]),
    },
  };
  await (await programs.before(layer)).bind(views).run();
  await (await programs.attention(layer)).bind({ ...views, ...cacheBinding(cache.layer(layer), "") }).run();
  return read(cache, layer, position);
}

function read(cache: Pick<KvCache, "place">, layer: number, position: number): number[] {
  const { kvHeads, headSize } = model.decoder.config;
  return Array.from({ length: kvHeads }, (_, head) => {
    const { key, value, offset } = cache.place(layer, head, position);
    return [key, value].flatMap(({ memory }) => [...new Float32Array(memory, 4 * offset, headSize)]);
  }).flat();
}

const gap = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

test("copy-hidden: each skipped layer's key and value are its own of the stream at the exit, rotated", async () => {
  const seen: CutInputs[] = [];
  const row = await begin(model, prompt, stepping([watching(2, streamProbe, seen, () => leave("copy-hidden"))]));
  const next = [11, 222, 133];
  for (const token of next) await stepRows(model, [row], token);
  for (const [i, { probed }] of seen.entries())
    for (const layer of [2, 3]) {
      const written = read(row.slot.cache, layer, prompt.length + i);
      expect(gap(written, await entryBy(probed, layer, prompt.length + i))).toBeLessThan(1e-5);
      expect(gap(written, await entryBy(probed, layer, prompt.length + i + 1))).toBeGreaterThan(1e-3);
      expect(gap(written, read(row.slot.cache, 1, prompt.length + i))).toBeGreaterThan(1e-2);
    }
  expect(row.meter.total().work["layers"]).toEqual({ dense: 16, run: 4 + 2 * next.length });
  model.engine.release(row.slot);
});
