/**
 * Drafts from exits, checked by the deep layers, on a float32 model of four layers and on one whose last two layers do
 * nothing.
 */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cut, type CutInputs, densePlan, type Plan } from "../../../savings/plan.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { writeTensors } from "../../../weights/safetensors/write.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { Meter } from "../../bill/meter.ts";
import { grammarOf } from "../grammar/index.ts";
import { LanguageModel } from "../language-model.ts";
import { countingProbe, GO_ON, leave, linearProbe, nanProbe, STOP, stepping, watching } from "../run/exits.testing.ts";
import { DRAFTS } from "../run/stepped.ts";
import { Likelihoods } from "../score/likelihood.ts";
import { generateAll } from "./batch-generate.ts";
import { type GenerateInput, type GenerateOptions, generate, generateOptions, type Piece } from "./generate.ts";

const source = fileURLToPath(new URL("../../../../packages/models/expertrag-world", import.meta.url));

/** A model whose last layers add nothing to the residual stream, so its exits are always right. */
async function quietModel(folder: string): Promise<LanguageModel> {
  await cp(source, folder, { recursive: true });
  const checkpoint = openCheckpoint(source);
  const silent = /layers\.[23]\.(self_attn\.o_proj|mlp\.down_proj)/;
  const tensors = [...checkpoint.tensors].map(([name, tensor]) => {
    const { shape } = tensor;
    const values = () => (silent.test(name) ? checkpoint.floats(tensor).fill(0) : checkpoint.floats(tensor));
    return [name, { shape, values }] as const;
  });
  expect(tensors.filter(([name]) => silent.test(name))).toHaveLength(4);
  await writeTensors(path.join(folder, "model.safetensors"), new Map(tensors));
  return LanguageModel.load(await resolveModel(folder), "f32");
}

let model: LanguageModel;
let quiet: LanguageModel;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "quiet-"));
  model = await LanguageModel.load(await resolveModel(source), "f32");
  quiet = await quietModel(path.join(folder, "model"));
});
afterAll(async () => {
  for (const each of [model, quiet]) each[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

const ids = (n: number, from = 0) => Array.from({ length: n }, (_, i) => 10 + (((from + i) * 37) % 400));

/** Answers without a natural end. */
const long = ({ stopIds }: LanguageModel["tokenizer"]): GenerateInput => ({
  maxTokens: 24,
  logitBias: Object.fromEntries([...stopIds].map((id) => [id, -100])),
});

interface Answer {
  readonly tokens: number[];
  readonly text: string;
  readonly pieces: Piece[];
  readonly finish: NonNullable<Piece["finish"]>;
}

async function answer(
  { engine, tokenizer }: LanguageModel,
  plan: Plan,
  input: GenerateInput & Pick<GenerateOptions, "grammar" | "end" | "observe"> = {},
  prompt = ids(30),
): Promise<Answer> {
  await engine.prepare(plan);
  engine.forget();
  const { grammar, end, observe, ...rest } = input;
  const options = { ...generateOptions.parse({ ...long(tokenizer), temperature: 0, ...rest }), grammar, end, observe };
  const pieces: Piece[] = [];
  for await (const piece of generate(engine, tokenizer, prompt, options, { plan })) pieces.push(piece);
  const tokens = pieces.flatMap((piece) => piece.tokens.map(({ id }) => id));
  return { tokens, text: pieces.map(({ text }) => text).join(""), pieces, finish: pieces.at(-1)!.finish! };
}

const cut = (after: number, decide: Cut["decide"]): Cut => ({ after, scope: "step", decide });
const always = (after: number): Plan => stepping([cut(after, () => leave("verify"))]);
/** Leaves after one, two or three layers, or not at all. */
const varied = stepping(
  [1, 2, 3].map((after) => cut(after, ({ tokens }) => ((tokens * 7) % 4 === after - 1 ? leave("verify") : GO_ON))),
);

const settings: [string, GenerateInput][] = [
  ["greedy", {}],
  ["with a repetition penalty", { repetitionPenalty: 1.3 }],
  ["sampled", { temperature: 1, seed: 5 }],
  ["sampled within bounds and penalties", { temperature: 1.4, topK: 40, topP: 0.9, frequencyPenalty: 0.4, seed: 6 }],
];

describe.each(settings)("%s", (_, value) => {
  test.each([
    ["always after two layers", always(2)],
    ["after different layers", varied],
  ])("leaving %s, an answer is dense's", async (_, plan) => {
    const dense = await answer(model, densePlan, value);
    const verified = await answer(model, plan, value);
    expect(verified.tokens).toEqual(dense.tokens);
    expect(verified.text).toBe(dense.text);
    expect(verified.finish.reason).toBe(dense.finish.reason);
    const { usage } = verified.finish;
    expect(usage.tokens).toEqual(dense.finish.usage.tokens);
    expect(usage.flops.dense).toBeCloseTo(dense.finish.usage.flops.dense, -1);
    const { drafts, accepted, layers } = usage.work;
    expect(drafts!.run).toBeGreaterThan(0);
    expect(accepted?.run ?? 0).toBeLessThanOrEqual(drafts!.run);
    expect(layers!.dense).toBe(4 * dense.tokens.length);
    expect(layers!.run).toBeGreaterThan(layers!.dense);
  });
});

test("drafts that are always right: few passes check all, and weights are read less often", async () => {
  for (const options of [{}, { temperature: 1, seed: 3, repetitionPenalty: 1.2 }]) {
    const dense = await answer(quiet, densePlan, { ...options, maxTokens: 37 });
    const { tokens, pieces, finish } = await answer(quiet, always(2), { ...options, maxTokens: 37 });
    expect(tokens).toEqual(dense.tokens);
    // The first step runs the prompt; each later one runs nine tokens: eight drafts and the token after them.
    expect(pieces.map((piece) => piece.tokens.length)).toEqual([1, 9, 9, 9, 9]);
    const { work, bytes, flops } = finish.usage;
    expect(work["drafts"]).toEqual({ dense: 0, run: 32 });
    expect(work["accepted"]).toEqual({ dense: 0, run: 32 });
    expect(work["layers"]!.run).toBe(work["layers"]!.dense);
    expect(bytes.spent).toBeLessThan(0.75 * bytes.dense);
    expect(flops.spent).toBeGreaterThan(flops.dense);
    expect(flops.dense).toBe(dense.finish.usage.flops.dense);
  }
});

test("so many drafts wait and no more: a check decides one token beyond them", async () => {
  const [checked, maxTokens] = [DRAFTS + 1, 3 * DRAFTS + 5];
  const { pieces } = await answer(quiet, always(3), { maxTokens });
  expect(pieces.map((piece) => piece.tokens.length)).toEqual([1, checked, checked, checked, 1]);
  expect((await answer(model, always(1), { maxTokens })).tokens).toEqual(
    (await answer(model, densePlan, { maxTokens })).tokens,
  );
});

test("a draft that ends the answer is checked at once", async () => {
  const options = { temperature: 1.5, seed: 2 };
  const dense = await answer(quiet, densePlan, options);
  const end = dense.tokens.find((id, i) => i > 3 && dense.tokens.indexOf(id) === i)!;
  const at = dense.tokens.indexOf(end);
  const { tokens, finish } = await answer(quiet, always(2), { ...options, end });
  expect(tokens).toEqual(dense.tokens.slice(0, at + 1));
  expect(finish.reason).toBe("stop");
  expect(finish.usage.work["layers"]!.run).toBe(finish.usage.work["layers"]!.dense);
});

test("a stop string within checked tokens ends the text where dense's ends", async () => {
  const whole = (await answer(model, densePlan)).text;
  const stop = [whole.slice(20, 26)];
  const dense = await answer(model, densePlan, { stop });
  for (const plan of [always(2), varied]) {
    const { text, finish } = await answer(model, plan, { stop });
    expect(text).toBe(dense.text);
    expect(finish.reason).toBe("stop");
  }
});

test("a grammar holds drafts and answers alike", async () => {
  for (const format of [
    /(alpha|beta|gamma|[a-f ]{4}){1,6}/,
    { type: "object", properties: { a: { type: "integer" } } },
  ])
    for (const language of [model, quiet]) {
      const grammar = await grammarOf(format, language.tokenizer);
      const options = { grammar, temperature: 1, seed: 4 };
      const dense = await answer(language, densePlan, options);
      for (const plan of [always(2), varied]) {
        const verified = await answer(language, plan, options);
        expect(verified.text).toBe(dense.text);
        expect(verified.finish.reason).toBe(dense.finish.reason);
      }
    }
});

test("probes with a state go back to the last token that was kept", async () => {
  const seen: CutInputs[] = [];
  const plan = stepping([watching(2, countingProbe("v"), seen, () => leave("verify"))]);
  const { tokens } = await answer(model, plan);
  expect(tokens).toEqual((await answer(model, densePlan)).tokens);
  for (const { tokens: before, probed } of seen) expect(probed[0]).toBe(before + 1);
  expect(new Set(seen.map(({ tokens: before }) => before)).size).toBeLessThan(seen.length);
});

test("a probe without numbers: every token runs through all layers", async () => {
  const plan = stepping([watching(1, nanProbe, [], () => leave("verify"))]);
  const { tokens, finish } = await answer(model, plan);
  expect(tokens).toEqual((await answer(model, densePlan)).tokens);
  expect(finish.usage.work["drafts"]).toBeUndefined();
});

test("a ceiling on FLOPs ends an answer with tokens that were checked", async () => {
  const whole = await answer(model, always(2));
  const flops = whole.finish.usage.flops.spent * 0.7;
  model.engine.forget();
  const pieces: Piece[] = [];
  const options = generateOptions.parse({ ...long(model.tokenizer), temperature: 0 });
  const terms = { plan: always(2), ceiling: { flops } };
  for await (const piece of generate(model.engine, model.tokenizer, ids(30), options, terms)) pieces.push(piece);
  const tokens = pieces.flatMap((piece) => piece.tokens.map(({ id }) => id));
  expect(pieces.at(-1)!.finish).toMatchObject({ reason: "length", cut: "flops" });
  expect(tokens.length).toBeLessThan(24);
  expect(tokens).toEqual(whole.tokens.slice(0, tokens.length));
});

describe("an answer that a saving stops", () => {
  const stopAt = (tokens: number, ...cuts: Cut[]): Plan =>
    stepping([cut(2, (inputs) => (inputs.tokens >= tokens ? STOP : GO_ON)), ...cuts]);

  test("is a strict prefix of the answer without stops, and says why it ended", async () => {
    for (const fill of ["copy-hidden", "verify"] as const) {
      const exits = cut(3, ({ tokens }) => (tokens % 3 === 0 ? leave(fill) : GO_ON));
      const unstopped = await answer(model, stepping([exits]));
      const { tokens, text, finish } = await answer(model, stopAt(38, exits));
      expect(finish.reason).toBe("stopped");
      expect(tokens.length).toBeGreaterThan(4);
      expect(tokens.length).toBeLessThan(unstopped.tokens.length);
      expect(tokens).toEqual(unstopped.tokens.slice(0, tokens.length));
      expect(unstopped.text.startsWith(text)).toBe(true);
      expect(finish.usage.tokens.completion).toBe(tokens.length);
      expect(finish.usage.work["stops"]).toEqual({ dense: 0, run: 1 });
    }
  });

  test("stops on tokens that were checked, never on wrong drafts", async () => {
    const { tokens: whole } = await answer(model, densePlan);
    for (const at of [33, 34, 37, 41, 44]) {
      const stops = stepping([
        cut(1, (inputs) => (inputs.tokens === at ? STOP : GO_ON)),
        cut(2, () => leave("verify")),
        cut(3, (inputs) => (inputs.tokens === at ? STOP : GO_ON)),
      ]);
      const { tokens, finish } = await answer(model, stops);
      expect(tokens).toEqual(whole.slice(0, at - 30 + 1));
      expect(finish.reason).toBe("stopped");
      const { stops: counted, layers } = finish.usage.work;
      expect(counted).toEqual({ dense: 0, run: 1 });
      expect(layers!.dense).toBe(4 * (tokens.length + 1));
    }
    // The first draft is wrong, and the stop after it is discarded.
    let calls = 0;
    const wrong = stepping([
      cut(1, ({ tokens }) => (tokens === 31 && calls++ === 0 ? STOP : GO_ON)),
      cut(2, ({ tokens }) => (tokens < 31 ? leave("verify") : GO_ON)),
    ]);
    const { tokens, finish } = await answer(model, wrong);
    expect(calls).toBeGreaterThan(1);
    expect(tokens).toEqual(whole);
    expect(finish.usage.work["accepted"]!.run).toBe(0);
    expect(finish.usage.work["stops"]).toBeUndefined();
  });

  test("has at least its first token, which runs through all layers", async () => {
    const { tokens, finish } = await answer(model, stopAt(0));
    expect(tokens).toEqual((await answer(model, densePlan)).tokens.slice(0, 1));
    expect(finish.usage.work["layers"]).toEqual({ dense: 8, run: 6 });
  });

  test("gives the text that a stop string might have begun with", async () => {
    const { text } = await answer(model, densePlan);
    const begins = text.slice(0, 6);
    const { text: prefix, finish } = await answer(model, stopAt(36), { stop: [`${begins}?!`] });
    expect(finish.reason).toBe("stopped");
    expect(text.startsWith(prefix)).toBe(true);
    expect(prefix.length).toBeGreaterThanOrEqual(6);
  });
});

test("answers under many plans run together as each does alone", async () => {
  const plans = [always(2), densePlan, varied, stepping([watching(2, linearProbe("l"), [], () => leave("verify"))])];
  const options = (i: number): GenerateOptions =>
    generateOptions.parse({ ...long(model.tokenizer), maxTokens: 12 + 3 * i, temperature: 1, seed: i });
  const { engine, tokenizer } = model;
  const alone = [];
  for (const [i, plan] of plans.entries()) alone.push(await answer(model, plan, options(i), ids(25 + i, 9 * i)));
  engine.forget();
  const requests = plans.map((plan, i) => ({ prompt: ids(25 + i, 9 * i), options: options(i), plan }));
  const together = await generateAll(engine, tokenizer, requests);
  for (const [i, { text, tokens, usage, reason }] of together.entries()) {
    const { finish } = alone[i]!;
    expect(text).toBe(alone[i]!.text);
    expect(tokens.map(({ id }) => id)).toEqual(alone[i]!.tokens);
    expect([reason, usage.work, usage.flops]).toEqual([finish.reason, finish.usage.work, finish.usage.flops]);
  }
});

test("a checked answer is offered as a prefix as dense's is, without drafts that were not checked", async () => {
  const prompt = ids(30);
  const { tokens } = await answer(model, densePlan, {}, prompt);
  const lengths = [];
  for (const plan of [densePlan, stepping([cut(2, () => leave("verify"))], "")]) {
    await answer(model, plan, {}, prompt);
    lengths.push(model.engine.slots.reusable([...prompt, ...tokens, 9], ""));
  }
  expect(lengths[0]).toBe(prompt.length + tokens.length - 1);
  expect(lengths[1]).toBe(lengths[0]);
});

test("with weights in 8 bits, checks have the logits of decode steps, to the bit", async () => {
  using blocks = await LanguageModel.load(await resolveModel(source), "q8");
  const seen = [];
  for (const plan of [densePlan, always(2), varied]) {
    const rows: Float32Array[] = [];
    const { tokens } = await answer(blocks, plan, { observe: (logits) => void rows.push(logits.slice()) });
    expect(rows).toHaveLength(tokens.length);
    seen.push({ tokens, rows });
  }
  for (const verified of seen.slice(1)) expect(verified).toEqual(seen[0]);
});

test("likelihoods under drafts are dense's", async () => {
  const { engine } = model;
  const pairs = [
    { context: ids(20), continuation: ids(15, 300) },
    { context: ids(20), continuation: ids(4, 350) },
  ];
  const results = [];
  for (const plan of [densePlan, always(2), varied]) {
    using likelihoods = await Likelihoods.create(engine, () => plan);
    const meter = new Meter(engine.programs);
    results.push((await likelihoods.ofPairs(pairs, meter)).flat().map(({ nats }) => nats));
  }
  for (const nats of results.slice(1))
    for (const [i, value] of nats.entries()) expect(value).toBeCloseTo(results[0]![i]!, 3);
});
