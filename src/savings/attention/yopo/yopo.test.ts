/** Reduced visual tokens on a tiny model at float32. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Meter } from "../../../engine/bill/meter.ts";
import { LanguageModel } from "../../../engine/decode/language-model.ts";
import { MaskedAttention, type Pair } from "../../../engine/decode/run/masked.testing.ts";
import { promptOfSpans, type SpannedPrompt } from "../../../engine/decode/run/spans.ts";
import { traceAfter } from "../../../models/programs/segments.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { modelHash, resolveModel } from "../../../weights/sources/index.ts";
import type { CalibrationPrompt } from "../../calibration.ts";
import { type Plan, planOf } from "../../plan.ts";
import { parseRecipe } from "../../recipe.ts";
import { LastQueryScores } from "../../tokens/last-query.ts";
import { headCalibration } from "./calibration.ts";
import { visualFlops } from "./flops.testing.ts";
import { HeadProfiler } from "./profiler.ts";

const file = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "modicum-yopo-"));
const heads = join(folder, "heads.json");
const [GRID, BEFORE, NEXT] = [[6, 7] as const, 3, [5, 9, 12]];
const CELLS = GRID[0] * GRID[1];

let model: LanguageModel;
let prompt: SpannedPrompt;
let kept: boolean[][];
beforeAll(async () => {
  model = await LanguageModel.load(await resolveModel(file), "f32");
  const { hidden, layers, kvHeads } = model.decoder.config;
  const random = seededRandom(9);
  const embeddings = Float32Array.from({ length: CELLS * hidden }, () => random() - 0.5);
  prompt = promptOfSpans([[3, 4, 5], { embeddings, contentHash: "yopo", grid: GRID }, [20, 21, 22, 23]], hidden);
  kept = Array.from({ length: layers }, (_, l) => Array.from({ length: kvHeads }, (_, head) => (l + head) % 2 === 0));
  const ratios = kept.map((row) => row.map(Number));
  writeFileSync(heads, JSON.stringify({ modelSha256: await modelHash(model.source), keep: 0.5, ratios, kept }));
});
afterAll(() => {
  model[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

async function run({ prompt, embeddings }: Omit<SpannedPrompt, "visual">, plan: Plan, steps: readonly number[] = NEXT) {
  const { engine } = model;
  await engine.prepare(plan);
  engine.forget();
  const slot = engine.acquireEmpty(prompt, plan);
  const meter = new Meter(engine.programs);
  const logits: Float32Array[] = [];
  try {
    for await (const some of engine.chunks(slot, prompt, { plan, meter, embeddings }))
      if (some) logits.push(some.slice());
    for (const token of steps) logits.push((await engine.step(slot, token, meter, plan)).slice());
    return { logits, spent: meter.total() };
  } finally {
    engine.release(slot);
  }
}

async function planOfRecipe(text: string, { prompt, visual }: SpannedPrompt): Promise<Plan> {
  using lease = await model.recipes.use(parseRecipe(text.split(" ")));
  return lease.plan(prompt.length, visual);
}
const of = async (text: string, spanned = prompt) => run(spanned, await planOfRecipe(text, spanned));
const worst = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  Math.max(...a.map((row, r) => Math.max(...row.map((v, i) => Math.abs(v - b[r]![i]!)))));

const cellOf = (position: number) => {
  const cell = position - BEFORE;
  return cell >= 0 && cell < CELLS ? { row: Math.floor(cell / GRID[1]), column: cell % GRID[1] } : undefined;
};
const near = (radius: number) => (query: number, key: number) => {
  const [from, to] = [cellOf(query), cellOf(key)];
  return !from || !to || Math.max(Math.abs(from.row - to.row), Math.abs(from.column - to.column)) <= radius;
};
const bothSeen = ({ query, key }: Pair) => cellOf(query) !== undefined && cellOf(key) !== undefined;
const isKept = ({ layer, head }: Pair) => {
  const { heads, kvHeads } = model.decoder.config;
  return kept[layer]![Math.floor((head * kvHeads) / heads)]!;
};
/** In heads without visual tokens, visual queries see nothing, and no query sees visual keys. */
const byHeads = (pair: Pair) => isKept(pair) || (!cellOf(pair.query) && !cellOf(pair.key));

/** In heads that drop visual keys, text is weighted as with `post-softmax-zero`, and visual queries see nothing. */
const byWeights = (pair: Pair) => pair.key <= pair.query && (isKept(pair) || !cellOf(pair.query));
const zeroed = (pair: Pair) => !isKept(pair) && cellOf(pair.key) !== undefined;

type Rule = (pair: Pair) => boolean;
const cases: readonly (readonly [text: () => string, allows: Rule, zeroes?: Rule])[] = [
  [() => "yopo:radius=1", (p) => (bothSeen(p) || p.key <= p.query) && near(1)(p.query, p.key)],
  [() => "yopo:radius=2,causal=true", (p) => p.key <= p.query && near(2)(p.query, p.key)],
  [() => `yopo:heads=${heads}`, (p) => p.key <= p.query && byHeads(p)],
  [() => `yopo:heads=${heads},drop=post-softmax-zero`, byWeights, zeroed],
  [() => "yopo:layers=1", (p) => p.key <= p.query && (p.layer < 1 || !cellOf(p.key) || !!cellOf(p.query))],
  [
    () => `yopo:layers=1,radius=1,heads=${heads}`,
    (p) =>
      (bothSeen(p) || p.key <= p.query) &&
      (p.layer < 1 ? near(1)(p.query, p.key) && byHeads(p) : !cellOf(p.key) || !!cellOf(p.query)),
  ],
];
test.each(cases.map(([text, allows, zeroes]) => ({ text, allows, zeroes })))(
  "skipping is masking, %#",
  async ({ text, allows, zeroes }) => {
    using masked = await MaskedAttention.create(model.decoder, allows, zeroes);
    const reference = await run(prompt, planOf([{ attention: () => masked }]), []);
    const { logits } = await of(text());
    expect(worst(logits.slice(0, 1), reference.logits)).toBeLessThan(1e-4);
    expect(worst(logits.slice(0, 1), (await of("dense")).logits)).toBeGreaterThan(1e-3);
  },
);

test("a dropped head's visual keys take their share only if they are zeroed after the softmax, which spends more", async () => {
  const [masked, zeroed] = [await of(`yopo:heads=${heads}`), await of(`yopo:heads=${heads},drop=post-softmax-zero`)];
  expect(worst(masked.logits.slice(0, 1), zeroed.logits.slice(0, 1))).toBeGreaterThan(1e-3);
  const [less, more] = [masked.spent.flops.spent, zeroed.spent.flops.spent];
  const { heads: all, headSize } = model.decoder.config;
  const dropped = (kept.flat().filter((is) => !is).length / kept[0]!.length) * all;
  const text = BEFORE + 4;
  // Products of text queries with the visual keys, and their softmax.
  expect(more - less).toBeGreaterThanOrEqual(2 * dropped * text * CELLS * headSize);
  expect(more).toBeLessThan(zeroed.spent.flops.dense);
});

test("fewer heads and fewer layers spend less", async () => {
  for (const text of [`yopo:heads=${heads}`, "yopo:layers=1", `yopo:layers=1,radius=1,heads=${heads}`]) {
    const { spent, dense } = (await of(text)).spent.flops;
    expect(spent).toBeLessThan(dense);
  }
});

describe("neutral settings", () => {
  test("all layers is dense, to the bit", async () => {
    const [all, dense] = [await of(`yopo:layers=${model.decoder.config.layers}`), await of("dense")];
    expect(worst(all.logits, dense.logits)).toBe(0);
  });

  test("neighbours as far as the image reaches are dense only if they are causal", async () => {
    const dense = await of("dense");
    expect(worst((await of("yopo:radius=7,causal=true")).logits, dense.logits)).toBeLessThan(1e-5);
    expect(worst((await of("yopo:radius=7")).logits, dense.logits)).toBeGreaterThan(1e-3);
  });

  test("all heads is dense", async () => {
    const all = join(folder, "all.json");
    const mask = { modelSha256: await modelHash(model.source), keep: 1, ratios: kept.map((row) => row.map(Number)) };
    writeFileSync(all, JSON.stringify({ ...mask, kept: kept.map((row) => row.map(() => true)) }));
    const { hidden } = model.decoder.config;
    const image = (contentHash: string, grid: readonly [number, number]) => ({
      embeddings: Float32Array.from({ length: grid[0] * grid[1] * hidden }, (_, i) => Math.sin(i + contentHash.length)),
      ...{ contentHash, grid },
    });
    const two = promptOfSpans([[3], image("yopo one", [2, 3]), [6], image("yopo two!", [3, 2]), [20, 21]], hidden);
    for (const spanned of [prompt, two])
      expect(worst((await of(`yopo:heads=${all}`, spanned)).logits, (await of("dense", spanned)).logits)).toBeLessThan(
        1e-5,
      );
  });

  test("a prompt without images is dense, to the bit", async () => {
    const text = { prompt: [3, 4, 5, 20, 21], embeddings: new Map(), visual: [] };
    const cut = await of(`yopo:layers=1,radius=1,heads=${heads}`, text);
    expect(worst(cut.logits, (await of("dense", text)).logits)).toBe(0);
  });
});

describe("a part of the feed-forward", () => {
  /** Layer 1's keys by token, with a recipe. */
  async function keysUnder(text: string): Promise<Float32Array[]> {
    const { engine, decoder } = model;
    const plan = await planOfRecipe(text, prompt);
    const slot = engine.acquireEmpty(prompt.prompt, plan);
    const meter = new Meter(engine.programs);
    for await (const _ of engine.chunks(slot, prompt.prompt, { plan, meter, embeddings: prompt.embeddings }));
    const keys = prompt.prompt.map((_, position) => {
      const { key, offset } = slot.cache.place(1, 0, position);
      return new Float32Array(key.memory, 4 * offset, decoder.config.headSize).slice();
    });
    engine.release(slot);
    return keys;
  }

  test("changes visual tokens alone", async () => {
    const [part, all] = [await keysUnder("yopo:ffn=0.5"), await keysUnder("yopo:ffn=0.9999")];
    for (const [position, key] of part.entries()) {
      const changed = key.some((v, d) => Math.abs(v - all[position]![d]!) > 1e-4);
      expect(changed).toBe(cellOf(position) !== undefined);
    }
  });

  test("is the first neurons' product", async () => {
    const share = 0.5;
    const graph = traceAfter(model.decoder, 0, share);
    using program = await Program.compile(graph);
    const { hidden, heads, headSize } = model.decoder.config;
    using attended = new Buffer("f32", heads * headSize);
    using residual = new Buffer("f32", hidden);
    using branchOut = new Buffer("f32", hidden);
    using residualOut = new Buffer("f32", hidden);
    const x = Float32Array.from({ length: hidden }, (_, i) => Math.sin(i + 1));
    new Float32Array(attended.memory).fill(0);
    new Float32Array(residual.memory).set(x);
    const wide = (buffer: Buffer) => buffer.view([1, 1, hidden]);
    const out = { branchOut: wide(branchOut), residualOut: wide(residualOut) };
    const views = { attended: attended.view([1, 1, heads * headSize]), attendedResidual: wide(residual) };
    await program.bind({ ...views, ...out }).run();
    const expected = feedForward(x, share);
    for (const [i, v] of new Float32Array(branchOut.memory).entries()) expect(v).toBeCloseTo(expected[i]!, 5);
  });

  test("spends less by what the paper counts, within 2 %", async () => {
    const [part, whole] = [await of("yopo:ffn=0.25,layers=1"), await of("yopo:layers=1")];
    const { hidden, ffn } = model.decoder.config as unknown as { hidden: number; ffn: number };
    const sizes = { tokens: CELLS, hidden, intermediate: ffn };
    const layer = (share: number) => visualFlops(sizes, { neighbours: CELLS, heads: [1], ffn: share });
    const saved = whole.spent.flops.spent - part.spent.flops.spent;
    expect(Math.abs(saved / (layer(1) - layer(0.25)) - 1)).toBeLessThan(0.02);
  });
});

/** The feed-forward network of layer 0 with only its first neurons, in float64, from the file's tensors. */
function feedForward(x: Float32Array, share: number): Float64Array {
  const checkpoint = openCheckpoint(file);
  const values = (name: string) => checkpoint.floats(checkpoint.tensors.get(`blk.0.${name}.weight`)!);
  const [norm, gate, up, down] = ["ffn_norm", "ffn_gate", "ffn_up", "ffn_down"].map(values) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const hidden = x.length;
  const width = gate.length / hidden;
  const retained = Math.floor(share * width);
  const { epsilon } = model.decoder.config as unknown as { epsilon: number };
  const size = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / hidden + epsilon);
  const normed = x.map((v, i) => (v / size) * norm[i]!);
  const dot = (matrix: Float32Array, row: number) =>
    normed.reduce((sum, v, i) => sum + v * matrix[row * hidden + i]!, 0);
  const inside = Array.from({ length: retained }, (_, neuron) => {
    const g = dot(gate, neuron);
    return (g / (1 + Math.exp(-g))) * dot(up, neuron);
  });
  return Float64Array.from({ length: hidden }, (_, i) =>
    inside.reduce((sum, v, neuron) => sum + v * down[i * width + neuron]!, 0),
  );
}

test("a token that is far away changes nothing of another in the first layer", async () => {
  const far = { ...prompt, embeddings: new Map(prompt.embeddings) };
  const corner = far.prompt[BEFORE + CELLS - 1]!;
  far.embeddings.set(corner, new Float32Array(model.decoder.config.hidden).fill(0.3));
  const keysOf = async (spanned: SpannedPrompt) => {
    const plan = await planOfRecipe("yopo:radius=1", spanned);
    const slot = model.engine.acquireEmpty(spanned.prompt, plan);
    const meter = new Meter(model.engine.programs);
    for await (const _ of model.engine.chunks(slot, spanned.prompt, { plan, meter, embeddings: spanned.embeddings }));
    const { key, offset } = slot.cache.place(1, 0, BEFORE);
    const result = new Float32Array(key.memory, 4 * offset, (CELLS - 1) * model.decoder.config.headSize).slice();
    model.engine.release(slot);
    return result;
  };
  const [one, other] = [await keysOf(prompt), await keysOf(far)];
  const { headSize } = model.decoder.config;
  const changed = Array.from({ length: CELLS - 1 }, (_, cell) => cell).filter((cell) =>
    one.subarray(cell * headSize, (cell + 1) * headSize).some((v, d) => v !== other[cell * headSize + d]),
  );
  expect(changed).toEqual([33, 34, 40]);
});

test("with feather in one recipe: neighbours among the tokens that are left", async () => {
  const text = "feather:after=1,mode=uniform,stride=2 yopo:radius=2";
  const survives = ({ row, column }: { row: number; column: number }) => row % 2 === 0 && column % 2 === 0;
  using masked = await MaskedAttention.create(model.decoder, (p) => {
    const key = cellOf(p.key);
    const gone = p.layer >= 1 && key !== undefined && !survives(key) && p.key !== p.query;
    return (bothSeen(p) || p.key <= p.query) && near(2)(p.query, p.key) && !gone;
  });
  const reference = await run(prompt, planOf([{ attention: () => masked }]), []);
  expect(worst((await of(text)).logits.slice(0, 1), reference.logits)).toBeLessThan(1e-4);
});

describe("heads", () => {
  test("the profile has the shares of the last token's attention", async () => {
    const { prompt: ids } = promptOfSpans([[3, 4, 5], [...Array(CELLS).keys()].map((i) => i % 60), [20]], 1);
    using profiler = await HeadProfiler.create(model.decoder, ids.length);
    const attention = profiler.of([{ first: BEFORE, grid: GRID }]);
    using scores = await LastQueryScores.create(model.decoder, 0, { rotary: true, some: false });
    let visual = Number.NaN;
    const cut = {
      ...{ after: 1, scope: "prompt" as const, probe: scores },
      decide: ({ tokens, probed }: { tokens: number; probed: Float32Array }) => {
        visual = probed.slice(BEFORE, BEFORE + CELLS).reduce((a, b) => a + b);
        return { kind: "keep" as const, positions: Int32Array.from(Array(tokens).keys()) };
      },
    };
    const plan = planOf([{ attention: () => attention, cuts: [cut], state: { prompt: undefined, answer: undefined } }]);
    await run({ prompt: ids, embeddings: new Map() }, plan, []);
    const ratios = profiler.ratios(0.5)[0]!;
    const { heads, kvHeads } = model.decoder.config;
    const most = ratios.reduce((sum, ratio) => sum + ratio / (1 + ratio), 0) / kvHeads;
    // A group's maximum over its heads is at least their mean.
    if (heads === kvHeads) expect(most).toBeCloseTo(visual, 4);
    else expect(most).toBeGreaterThanOrEqual(visual - 1e-5);
  });

  test("calibration keeps the share that was asked for, and names the model", async () => {
    const prompts = [7, 8, 9].map((seed) => {
      const random = seededRandom(seed);
      const ids = Array.from({ length: BEFORE + CELLS + 5 }, () => Math.floor(random() * 60));
      return promptOfSpans([ids], model.decoder.config.hidden);
    });
    const host = {
      ...{ decoder: model.decoder, hash: async () => "ab".repeat(32), textsSha256: "cd".repeat(32) },
      read: () => expect.unreachable(),
      prefill: async ({ prompt, embeddings }: CalibrationPrompt, part: Parameters<typeof planOf>[0][number]) =>
        (await run({ prompt: [...prompt], embeddings }, planOf([part]), [])).logits[0]!,
    };
    const options = headCalibration.options.parse({ first: BEFORE, rows: GRID[0], columns: GRID[1], whole: 0 });
    const { artefact, use } = await headCalibration.learn(host, prompts, options);
    const { layers, kvHeads } = model.decoder.config;
    expect((artefact["kept"] as boolean[][]).flat().filter(Boolean).length).toBe(Math.round((layers * kvHeads) / 2));
    expect(use("h.json")).toBe("yopo:heads=h.json");
    expect(await headCalibration.learn(host, prompts, options)).toMatchObject({ artefact });
    const eighth = await headCalibration.learn(host, prompts, { ...options, budget: "eighth" });
    expect((eighth.artefact["kept"] as boolean[][]).flat().filter(Boolean).length).toBe(1);
    expect(eighth.use("h.json")).toBe("yopo:layers=1,ffn=0.25,heads=h.json");
    await expect(headCalibration.learn(host, [promptOfSpans([[1, 2]], 1)], options)).rejects.toThrow(
      "text 0 has 2 tokens, expected more than 45",
    );
  });

  test("a file for another model, or of another shape, is refused", async () => {
    const other = join(folder, "other.json");
    const mask = { keep: 0.5, ratios: kept.map((row) => row.map(Number)) };
    writeFileSync(other, JSON.stringify({ ...mask, modelSha256: "cd".repeat(32), kept }));
    await expect(of(`yopo:heads=${other}`)).rejects.toThrow("is for the model cdcdcdcdcdcd…, but this model is");
    writeFileSync(other, JSON.stringify({ ...mask, modelSha256: await modelHash(model.source), kept: [[true]] }));
    await expect(of(`yopo:heads=${other}`)).rejects.toThrow('expected "kept" to list');
  });
});

test.each([
  ["yopo:layers=9", "yopo: there is no layer 9; the model has 2"],
  ["yopo:ffn=0", "yopo: ffn: expected more than 0 and at most 1, got 0"],
  ["yopo:drop=post-softmax-zero", "yopo: drop=post-softmax-zero needs heads=FILE"],
  ["yopo:radius=1 tri-shape:minLengthForSparse=8", "yopo and tri-shape both change the attention"],
])("%s is refused in one sentence", async (text, sentence) => {
  await expect((async () => model.recipes.use(parseRecipe(text.split(" "))))()).rejects.toThrow(sentence);
});
