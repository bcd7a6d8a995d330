/** Visual tokens dropped between layers of a tiny model at float32. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Meter } from "../../../engine/bill/meter.ts";
import { Engine } from "../../../engine/decode/run/engine.ts";
import { MaskedAttention } from "../../../engine/decode/run/masked.testing.ts";
import { Recipes } from "../../../engine/decode/run/recipes.ts";
import { type PromptSpan, promptOfSpans, type SpannedPrompt } from "../../../engine/decode/run/spans.ts";
import { openDecoder } from "../../../models/registry.ts";
import type { KvGroup } from "../../../models/state/kv-group.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { type Plan, planOf } from "../../plan.ts";
import { parseRecipe } from "../../recipe.ts";
import { gridCells } from "./keep.ts";

const file = fileURLToPath(new URL("../../../models/fixtures/smollm3/model.safetensors", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "modicum-feather-"));
const random = seededRandom(9);
const GRID = [6, 7] as const;
const [BEFORE, CELLS] = [3, GRID[0] * GRID[1]];
const NEXT = [5, 9, 12];
const TWO = "feather:after=1,second=3,ratio=0.6,stride=3";

let engine: Engine;
let recipes: Recipes;
let prompt: SpannedPrompt;
beforeAll(async () => {
  const { decoder, weights } = await openDecoder(openCheckpoint(file), folder, "f32");
  engine = await Engine.create(decoder, weights);
  recipes = new Recipes({ decoder, hash: async () => "" }, (plan) => engine.prepare(plan));
  prompt = withText([20, 21, 22, 23]);
});
afterAll(() => {
  recipes[Symbol.dispose]();
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const embeddings = Float32Array.from({ length: CELLS * 32 }, () => random() - 0.5);
const withText = (after: readonly number[]): SpannedPrompt => {
  const spans: PromptSpan[] = [[3, 4, 5], { embeddings, contentHash: "an image", grid: GRID }, after];
  return promptOfSpans(spans, engine.programs.decoder.config.hidden);
};

/** The logits at the prompt's end and at later steps, and the positions of each layer's cache entries. */
async function run({ prompt, embeddings }: SpannedPrompt, plan: Plan, steps: readonly number[] = NEXT) {
  engine.forget();
  const slot = engine.acquireEmpty(prompt, plan);
  const meter = new Meter(engine.programs);
  const logits: Float32Array[] = [];
  try {
    for await (const some of engine.chunks(slot, prompt, { plan, meter, embeddings }))
      if (some) logits.push(some.slice());
    for (const token of steps) logits.push((await engine.step(slot, token, meter, plan)).slice());
    const layers = Array.from({ length: engine.programs.decoder.config.layers }, (_, layer) => {
      const group = slot.group(layer) as KvGroup;
      return Array.from({ length: group.length }, (_, entry) => group.position(entry));
    });
    return { logits, layers, spent: meter.total() };
  } finally {
    engine.release(slot);
  }
}

async function planOfRecipe(text: string, { prompt, visual } = promptHere()): Promise<Plan> {
  using lease = await recipes.use(parseRecipe([text]));
  return lease.plan(prompt.length, visual);
}
const promptHere = () => prompt;
const dense = async () => run(prompt, await planOfRecipe("dense"));
const of = async (text: string, spanned = prompt) => run(spanned, await planOfRecipe(text, spanned));

const worst = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  Math.max(...a.map((row, r) => Math.max(...row.map((v, i) => Math.abs(v - b[r]![i]!)))));

test.each(["feather:after=1,ratio=0", "feather:after=4"])("%s is dense, to the bit", async (text) => {
  const [saved, all] = [await of(text), await dense()];
  expect(worst(saved.logits, all.logits)).toBe(0);
  expect(saved.spent).toEqual(all.spent);
});

test("a prompt without images is dense", async () => {
  const text = { prompt: [3, 4, 5, 20, 21], embeddings: new Map(), visual: [] };
  expect(worst((await of(TWO, text)).logits, (await run(text, await planOfRecipe("dense"))).logits)).toBe(0);
});

test("all tokens kept through the cut: as dense", async () => {
  expect(worst((await of("feather:after=2,mode=uniform,stride=1")).logits, (await dense()).logits)).toBeLessThan(1e-5);
});

test.each([TWO, "feather:after=2,ratio=0.75,mode=fastv", "feather:after=1,second=2,mode=random"])(
  "%s: gathered is what masked gives",
  async (text) => {
    const saved = await of(text);
    const retained = saved.layers.map((positions) => new Set(positions));
    const isText = (position: number) => position < BEFORE || position >= BEFORE + CELLS;
    for (const layer of retained) expect([...layer].filter(isText).length).toBe(BEFORE + 4 + NEXT.length);
    expect(retained.at(-1)!.size).toBeLessThan(retained[0]!.size);
    using masked = await MaskedAttention.create(
      engine.programs.decoder,
      ({ layer, query, key }) => key <= query && (retained[layer]!.has(key) || key === query),
    );
    const reference = await run(prompt, planOf([{ attention: () => masked }]), []);
    expect(worst(saved.logits.slice(0, 1), reference.logits)).toBeLessThan(1e-4);
  },
);

test("steps after the prompt are what running the longer prompt with the same tokens gives", async () => {
  const saved = await of(TWO);
  const retained = saved.layers.map((positions) => new Set(positions));
  for (let step = 1; step <= NEXT.length; step++) {
    const longer = withText([20, 21, 22, 23, ...NEXT.slice(0, step)]);
    const plan = await planOfRecipe(TWO, longer);
    const cuts = plan.cuts.map((cut) => ({
      ...{ after: cut.after, scope: "prompt" as const },
      decide: ({ positions = [] }: { readonly positions?: readonly number[] }) => ({
        kind: "keep" as const,
        positions: Int32Array.from(positions.keys()).filter((i) => retained[cut.after]!.has(positions[i]!)),
      }),
    }));
    const again = await run(longer, { ...plan, cuts }, []);
    expect(worst([saved.logits[step]!], again.logits)).toBeLessThan(1e-4);
  }
});

describe("the receipt", () => {
  test("counts tokens at each cut, and bills the scores as overhead", async () => {
    const { spent, layers } = await of(TWO);
    const [first, second] = [layers[1]!.length, layers[3]!.length].map((length) => length - NEXT.length);
    const whole = prompt.prompt.length;
    expect(spent.work["tokens"]).toEqual({ dense: whole + first!, run: first! + second! });
    expect(spent.flops.overhead).toBeGreaterThan(0);
    expect(spent.flops.spent).toBeLessThan(spent.flops.dense);
    expect(spent.flops.dense).toBe((await dense()).spent.flops.dense);
  });

  test("no score is taken at random or on a grid", async () => {
    for (const mode of ["random", "uniform"])
      expect((await of(`feather:after=1,mode=${mode}`)).spent.flops.overhead).toBe(0);
  });
});

test("another question keeps other tokens, and the same grid", async () => {
  const visual = ({ layers }: Awaited<ReturnType<typeof run>>) =>
    layers[1]!.map((position) => position - BEFORE).filter((cell) => cell >= 0 && cell < CELLS);
  const [one, other] = [await of(TWO), await of(TWO, withText([40, 9, 41, 11]))].map(visual) as [number[], number[]];
  expect(one).not.toEqual(other);
  for (const cells of [one, other]) expect(cells).toEqual(expect.arrayContaining([...gridCells(GRID, 3)]));
});

test.each([
  ["feather:after=5", "feather: there is no layer 5; the model has 4"],
  [
    "feather",
    "feather: no setting has been shown to work on this model; choose one, such as feather:after=8,ratio=0.7",
  ],
])("%s is refused in one sentence", async (text, sentence) => {
  await expect((async () => recipes.use(parseRecipe([text])))()).rejects.toThrow(sentence);
});
