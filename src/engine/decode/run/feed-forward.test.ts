/** The feed-forward seam on a tiny float32 model, compared with files without the skipped neurons. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evalCost } from "../../../graph/index.ts";
import { densePlan, type Plan } from "../../../savings/plan.ts";
import type { AttentionSaving } from "../../../savings/seams.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { Meter } from "../../bill/meter.ts";
import { LanguageModel } from "../language-model.ts";

const file = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-feed-forward-"));
const prompt = Array.from({ length: 40 }, (_, i) => 3 + ((i * 37) % 60));
const open = async (name: string) => LanguageModel.load(await resolveModel(name), "f32");

let model: LanguageModel;
beforeAll(async () => {
  model = await open(file);
});
afterAll(() => {
  model[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** The model with only the first `share` of a layer's neurons: the down projection's other weights are set to 0. */
async function without(layer: number, share: number): Promise<LanguageModel> {
  const checkpoint = openCheckpoint(file);
  const weights = checkpoint.floats(checkpoint.tensors.get(`blk.${layer}.ffn_down.weight`)!);
  const gguf = readFileSync(file);
  const at = gguf.indexOf(Buffer.from(weights.buffer));
  const { ffn } = model.decoder.config as unknown as { ffn: number };
  for (const i of weights.keys()) if (i % ffn >= share * ffn) gguf.writeFloatLE(0, at + 4 * i);
  const name = path.join(folder, `${layer}-${share}.gguf`);
  writeFileSync(name, gguf);
  return open(name);
}

/** Attention is dense; for tokens that a rule selects, one layer runs only a share of its feed-forward. */
function planOf(layer: number, share: number, takes: (position: number) => boolean): Plan {
  const saving: AttentionSaving = {
    chunk: 16,
    chunkAfter: () => 16,
    attend: (call) => call.dense(),
    feedForward: (positions) => positions.map((position) => ({ tokens: 1, share: takes(position) ? share : 1 })),
  };
  return { ...densePlan, attention: (l) => (l === layer ? saving : undefined) };
}

/** Logits after each token, and the bill of a prompt that needs only the last token's logits. */
async function ran({ engine }: LanguageModel, plan: Plan) {
  engine.forget();
  const slot = engine.acquireEmpty(prompt, plan);
  const rows: Float32Array[] = [];
  const meter = new Meter(engine.programs);
  for await (const { tokens, last, rows: streams, headRuns } of engine.runs(slot, prompt, { plan, meter })) {
    rows.push(...(await slot.logitsOfAll(await streams(0, tokens), tokens)).map((row) => row.slice()));
    if (last) meter.head(1, await headRuns(tokens - 1, 1));
  }
  engine.release(slot);
  return { rows, spent: meter.total().flops.spent };
}

const worst = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  Math.max(...a.map((row, r) => Math.max(...row.map((v, i) => Math.abs(v - b[r]![i]!)))));

const LAST = 1;

describe.each([0, LAST])("in layer %d", (layer) => {
  test.each([0.5, 0])("a share of %d runs the first neurons alone, none of them at 0", async (share) => {
    using fewer = await without(layer, share);
    const [dense, expected] = [await ran(model, densePlan), await ran(fewer, densePlan)];
    const shared = await ran(
      model,
      planOf(layer, share, () => true),
    );
    expect(worst(expected.rows, dense.rows)).toBeGreaterThan(1e-3);
    expect(worst(shared.rows, expected.rows)).toBeLessThan(1e-5);
  });
});

test("in the last layer, each token runs its own share", async () => {
  using fewer = await without(LAST, 0.25);
  const [dense, expected] = [await ran(model, densePlan), await ran(fewer, densePlan)];
  const takes = (position: number) => position % 3 === 1;
  const { rows } = await ran(model, planOf(LAST, 0.25, takes));
  const wanted = prompt.map((_, position) => (takes(position) ? expected : dense).rows[position]!);
  expect(worst(rows, wanted)).toBeLessThan(1e-5);
});

test.each([
  ["its neurons' products", 0.5],
  ["all but the output of attention", 0],
])("the bill of the last layer is without %s", async (_, share) => {
  const [whole, part] = await Promise.all([1, share].map((s) => model.engine.programs.after(LAST, s)));
  const flops = (program: typeof whole) => evalCost(program!.cost, { batch: 1, tokens: 1 }).flops;
  const { hidden, heads, headSize } = model.decoder.config;
  if (share === 0) expect(flops(part)).toBe(2 * hidden * heads * headSize);
  const dense = await ran(
    model,
    planOf(LAST, 1, () => true),
  );
  const shared = await ran(
    model,
    planOf(LAST, share, () => true),
  );
  expect(dense.spent - shared.spent).toBe(flops(whole) - flops(part));
  expect(dense.spent).toBeGreaterThan(shared.spent);
});
