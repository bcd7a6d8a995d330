/** Checks that with a saving, the training graph computes what the engine computes. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Meter } from "../../engine/bill/meter.ts";
import { LanguageModel } from "../../engine/decode/language-model.ts";
import { promptOfSpans } from "../../engine/decode/run/spans.ts";
import { noise } from "../../graph/gradient-case.testing.ts";
import type { ConstantData } from "../../graph/graph.ts";
import { type DType, Graph, pullback } from "../../graph/index.ts";
import { interpret } from "../../graph/interpret.testing.ts";
import { ndarray } from "../../graph/ndarray.ts";
import { decoderArchitecture } from "../../models/registry.ts";
import { Buffer } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import type { VisualSpan } from "../../savings/plan.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import type { Batch } from "../data/batch.ts";
import { type TrainInput, trainOptions } from "../options.ts";
import { runSession } from "../session/session.ts";
import { bare } from "../subject/subject.ts";
import { DecoderStack } from "./decoder-stack.ts";
import { savingMasks } from "./saving-masks.ts";
import { TracedWeights } from "./traced-weights.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-saving-masks-"));
const data = path.join(folder, "data.jsonl");
const out = path.join(folder, "model");
const CUTS = "yopo:layers=2,radius=1,ffn=0.5";
const architecture = {
  ...{ model_type: "llama", hidden_size: 64, intermediate_size: 22, num_hidden_layers: 3, num_attention_heads: 4 },
  ...{
    num_key_value_heads: 2,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    rope_theta: 1e4,
    hidden_act: "silu",
    initializer_range: 0.3,
  },
};
const GRID = [3, 4] as const;
const SPAN: VisualSpan = { first: 2, grid: GRID };
const line = (text: string) => ({ prompt: `ab${text}`, completion: "dcba", visual: [SPAN] });
const run = { architecture, data, tokenizer: "characters", validation: 0, tokens: 32, batch: 2, steps: 3 };

const train = (options: TrainInput, { out }: { readonly out: string }) =>
  runSession({ options: trainOptions.parse(options), out, reuse: "refuse" }, () => Promise.reject("no base"), {});

let model: LanguageModel;
beforeAll(async () => {
  const lines = [line("acbdacbdbacdabcd"), line("ddccbbaabbccaabc"), { prompt: "abab", completion: "ba" }];
  writeFileSync(data, lines.map((one) => JSON.stringify(one)).join("\n"));
  await train({ ...run, save: CUTS }, { out });
  model = await LanguageModel.load(await resolveModel(out), "f32");
});
afterAll(() => {
  model[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const TOKENS = 22;
const ids = Int32Array.from({ length: TOKENS }, (_, i) => (i * 7 + 3) % 4);
const batchOf = (visual: readonly VisualSpan[]): Batch => ({
  ...{ rows: 1, tokens: TOKENS, ids, labels: ids, labelled: TOKENS, samples: 1 },
  visual: [visual],
});

/** The training graph's logits at each position, [tokens][vocabulary]. */
async function trained(visual: readonly VisualSpan[], save?: string): Promise<Float32Array[]> {
  const { decoder } = model;
  const stack = new DecoderStack(decoder, savingMasks(save, decoder));
  const [g, shape] = [new Graph(), { rows: 1, tokens: TOKENS, packed: false }];
  let x = stack.embed(g, shape);
  for (let l = 0; l < stack.layers; l++) x = stack.layer(g, l, x, shape);
  g.output("logits", decoder.logits(g, decoder.finish(g, { branch: x })));
  using program = await Program.compile(g);
  const width = decoder.config.vocabulary;
  const views: Record<string, ReturnType<Buffer["view"]>> = {};
  const used = new Set(g.inputs.map(({ name }) => name));
  for (const [name, { dtype, shape, values }] of Object.entries(stack.inputs(batchOf(visual)))) {
    if (!used.has(name)) continue;
    const buffer = new Buffer(dtype, values.length);
    if (dtype === "i64") new BigInt64Array(buffer.memory).set(BigInt64Array.from(values, BigInt));
    else if (dtype === "i32") new Int32Array(buffer.memory).set(values);
    else new Float32Array(buffer.memory).set(values);
    views[name] = buffer.view(shape);
  }
  const logits = new Buffer("f32", TOKENS * width);
  await program.bind({ ...views, logits: logits.view([1, TOKENS, width]) }).run();
  const all = new Float32Array(logits.memory).slice();
  return Array.from({ length: TOKENS }, (_, t) => all.subarray(t * width, (t + 1) * width));
}

/** The engine's logits after the prompt and after each further token; images are inserted as embedded rows. */
async function served(visual: readonly VisualSpan[], recipe: string, prompt: number): Promise<Float32Array[]> {
  const { engine } = model;
  const { hidden } = model.decoder.config;
  const table = openCheckpoint(out);
  const rows = table.floats(table.tensors.get("model.embed_tokens.weight")!);
  const all = [...ids];
  const [image] = visual;
  const end = image ? image.first + image.grid[0] * image.grid[1] : 0;
  const embeddings = Float32Array.from(
    all.slice(image?.first ?? 0, end).flatMap((id) => [...rows.subarray(id * hidden, (id + 1) * hidden)]),
  );
  const spans = image
    ? [all.slice(0, image.first), { embeddings, contentHash: "x", grid: image.grid }, all.slice(end, prompt)]
    : [all.slice(0, prompt)];
  const spanPrompt = promptOfSpans(spans, hidden);
  using lease = await model.recipes.use(parseRecipe([recipe]));
  const plan = lease.plan(prompt, spanPrompt.visual);
  await engine.prepare(plan);
  engine.forget();
  const slot = engine.acquireEmpty(spanPrompt.prompt, plan);
  const meter = new Meter(engine.programs);
  const logits: Float32Array[] = [];
  for await (const some of engine.chunks(slot, spanPrompt.prompt, { plan, meter, embeddings: spanPrompt.embeddings }))
    if (some) logits.push(some.slice());
  for (const id of all.slice(prompt)) logits.push((await engine.step(slot, id, meter, plan)).slice());
  engine.release(slot);
  return logits;
}

const worst = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  Math.max(...a.map((row, r) => Math.max(...row.map((v, i) => Math.abs(v - b[r]![i]!)))));

describe("the training graph gives the engine's logits under the same saving", () => {
  const PROMPT = 18;
  test.each(["yopo:layers=1", "yopo:radius=1", "yopo:radius=0,causal=true", "yopo:ffn=0.5", CUTS])(
    "%s",
    async (save) => {
      const logits = (await trained([SPAN], save)).slice(PROMPT - 1);
      expect(worst(await served([SPAN], save, PROMPT), logits)).toBeLessThan(1e-4);
      expect(worst((await trained([SPAN])).slice(PROMPT - 1), logits)).toBeGreaterThan(1e-3);
    },
  );

  test("and densely without images", async () => {
    const logits = await trained([], CUTS);
    expect(worst(await trained([]), logits)).toBeLessThan(1e-5);
    expect(worst(await served([], CUTS, PROMPT), logits.slice(PROMPT - 1))).toBeLessThan(1e-4);
  });
});

/** The values of a constant in memory. */
function valuesOf(data: ConstantData, dtype: DType): Float64Array {
  if (data.kind === "file") throw new Error("a constant is in a file");
  const { buffer } = data.bytes;
  return dtype === "i64"
    ? Float64Array.from(new BigInt64Array(buffer), Number)
    : Float64Array.from(new Float32Array(buffer));
}

test("gradients equal central differences, in float64", async () => {
  const small = { ...architecture, hidden_size: 32, num_attention_heads: 2, num_key_value_heads: 1 };
  const checkpoint = bare({ ...small, intermediate_size: 10, vocab_size: 5 });
  const weights = new TracedWeights(checkpoint.config, () => false);
  const decoder = (await decoderArchitecture(checkpoint)).open(weights);
  const stack = new DecoderStack(decoder, savingMasks(CUTS, decoder));
  const [rows, tokens] = [2, 7];
  const span: VisualSpan = { first: 1, grid: [2, 2] };
  for (const layer of [0, 2]) {
    const g = new Graph();
    const x = g.input("x", "f32", [rows, tokens, 32]);
    const y = stack.layer(g, layer, x, { rows, tokens, packed: false });
    const upstream = g.input("given", "f32", y.shape);
    const inputs = weights.inputsOf(g);
    const gradients = pullback([{ of: y, gradient: upstream }], [x, ...inputs.map(({ tensor }) => tensor)]);
    const names = ["x", ...inputs.map(({ input }) => input)];
    g.output("y", y);
    for (const [i, name] of names.entries()) g.output(`by ${name}`, gradients[i]!);
    const wanted = new Set(g.inputs.map(({ name }) => name));
    const batch = { rows, tokens, ids: new Int32Array(14), labels: new Int32Array(14), labelled: 0, samples: 2 };
    const feeds = Object.fromEntries([
      ...Object.entries(stack.inputs({ ...batch, visual: [[span], []] }))
        .filter(([name]) => wanted.has(name))
        .map(([name, { shape, values }]) => [name, ndarray(shape, Float64Array.from(values))] as const),
      ...g.constants.map(
        ({ name, tensor, data }) => [name, ndarray(tensor.shape.map(Number), valuesOf(data, tensor.dtype))] as const,
      ),
      ...["x", "given", ...names.slice(1)].map((name, i) => {
        const shape = g.inputs.find((port) => port.name === name)!.tensor.shape.map(Number);
        return [name, ndarray(shape, noise(i, shape).data)] as const;
      }),
    ]);
    const loss = () => {
      const { data } = interpret(g, feeds, {})["y"]!;
      return data.reduce((sum, v, i) => sum + v * feeds["given"]!.data[i]!, 0);
    };
    const result = interpret(g, feeds, {});
    for (const name of names) {
      const { data } = feeds[name]!;
      for (const at of [Math.floor(data.length / 3), data.length - 1]) {
        const value = data[at]!;
        const changed = (by: number) => {
          data[at] = value + by;
          return loss();
        };
        const slope = (changed(1e-5) - changed(-1e-5)) / 2e-5;
        data[at] = value;
        expect(Math.abs(result[`by ${name}`]!.data[at]! - slope), `layer ${layer}, ${name} ${at}`).toBeLessThan(1e-6);
      }
    }
  }
});

test("the model is trained with the cuts, and they change it", async () => {
  const other = path.join(folder, "dense");
  await train(run, { out: other });
  const tensors = [out, other].map((at) => {
    const file = openCheckpoint(at);
    return file.floats(file.tensors.get("model.layers.0.self_attn.q_proj.weight")!);
  });
  expect(tensors[0]).not.toEqual(tensors[1]);
});

test.each([
  [{ save: "feather:after=1" }, "save: training does not support feather; expected yopo"],
  [{ save: "yopo" }, "save: expected yopo with its options, got only its name"],
  [{ save: "yopo:layers=9" }, "yopo: there is no layer 9; the model has 3"],
  [{ save: "yopo:heads=heads.json" }, "yopo: heads: training changes the weights that the file was made for"],
  [{ save: CUTS, packing: true }, "packing: savings do not support samples that share a row"],
  [{ save: CUTS, method: "ul2r:mask=prefix" }, "which savings do not support; omit save"],
])("%j is refused in one sentence", async (options, sentence) => {
  await expect(train({ ...run, ...options }, { out: path.join(folder, "refused") })).rejects.toThrow(sentence);
});

test("images beyond a sample are refused", async () => {
  const bad = path.join(folder, "bad.jsonl");
  writeFileSync(bad, JSON.stringify({ prompt: "ab", completion: "ba", visual: [{ first: 2, grid: [2, 2] }] }));
  await expect(train({ ...run, data: bad, save: CUTS }, { out: path.join(folder, "refused") })).rejects.toThrow(
    "visual: expected images in order, without overlap, within 5 tokens, got one at tokens 2 to 5",
  );
});
