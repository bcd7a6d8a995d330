/** The bill of every saving: the dense cost is the request's own, and any excess over it is overhead. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeDraft } from "../../../tools/draft-files.ts";
import { multipliesBytes } from "../../runtime/processor.ts";
import { exampleSteps, onShortPrompts } from "../../savings/examples.testing.ts";
import { stateFills } from "../../savings/plan.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import { savings } from "../../savings/registry.ts";
import { writeExits } from "../../train/methods/exit-heads/write.ts";
import { UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import { modelHash, resolveModel } from "../../weights/sources/index.ts";
import { type GenerateInput, generate, generateOptions, type Usage } from "../decode/answer/generate.ts";
import { priceOfLengths } from "../decode/dense-price.ts";
import { LanguageModel } from "../decode/language-model.ts";
import { promptOfSpans, type SpannedPrompt } from "../decode/run/spans.ts";
import { Likelihoods } from "../decode/score/likelihood.ts";
import { Meter } from "./meter.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-bills-"));
const at = (name: string) => path.join(folder, name);
const GRID = [6, 7] as const;

const sources = {
  world: "../../../packages/models/expertrag-world",
  mamba: "../../../packages/models/mamba-tiny",
  tiny: "../../models/fixtures/llama-tiny.gguf",
};
type Name = keyof typeof sources;

let models: Record<Name, LanguageModel>;
beforeAll(async () => {
  const all = Object.entries(sources).map(async ([name, source]) => {
    const resolved = await resolveModel(fileURLToPath(new URL(source, import.meta.url)));
    return [name, await LanguageModel.load(resolved, "f32")] as const;
  });
  models = Object.fromEntries(await Promise.all(all)) as Record<Name, LanguageModel>;
  await writeDeciders();
  await writeHeads();
  await writeNetwork();
});
afterAll(() => {
  for (const model of Object.values(models)) model[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** A classifier and a controller with random weights after layers 1 to 3. */
async function writeDeciders(): Promise<void> {
  const { hidden } = models.world.decoder.config;
  const random = seededRandom(5);
  const noise = (shape: number[]) => ({
    shape,
    values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 2 * (random() - 0.5)),
  });
  const layers = [1, 2, 3];
  const sha256 = await modelHash(models.world.source);
  const score = { auc: 0.5, positiveRate: 0.5, ece: 0 };
  const decider = { topK: 1, temperatures: [1, 1, 1], measured: [score, score, score] };
  const about = {
    ...{ model: { name: "world", sha256 }, layers, head: { mode: "shared" as const } },
    data: { name: "none", sha256, tokens: 1 },
    measured: { tokens: 1, right: [0, 0, 0, 1], agree: [0, 0, 0, 1], neverRight: 0 },
  };
  const linear = layers.flatMap((layer) => [
    [`linear.${layer}.weight`, noise([1, hidden])] as const,
    [`linear.${layer}.bias`, noise([1])] as const,
  ]);
  await writeExits(at("linear"), {
    metadata: { ...about, saving: "dynamax", deciders: [{ kind: "linear", ...decider }] },
    weights: new Map(linear),
  });
  await writeExits(at("controller"), {
    metadata: { ...about, saving: "sec", deciders: [{ kind: "controller", ...decider }] },
    weights: new Map([["controller.weight", noise([3, hidden])]]),
  });
}

/** A draft network with random weights for the world model. */
async function writeNetwork(): Promise<void> {
  const { hidden, vocabulary } = models.world.decoder.config;
  const random = seededRandom(6);
  const about = {
    model: { name: "world", sha256: await modelHash(models.world.source) },
    tokens: Array.from({ length: vocabulary }, (_, id) => id),
    trained: 0,
  };
  await writeDraft(
    at("draft"),
    about,
    { hidden, heads: 6, kvHeads: 6, ffn: 64, theta: 1e4, type: "Q4_1" },
    (_, count) => Float32Array.from({ length: count }, () => random() - 0.5),
  );
}

/** Every second head of the tiny model drops its visual tokens. */
async function writeHeads(): Promise<void> {
  const { layers, kvHeads } = models.tiny.decoder.config;
  const retained = Array.from({ length: layers }, (_, l) =>
    Array.from({ length: kvHeads }, (_, h) => (l + h) % 2 === 0),
  );
  const ratios = retained.map((row) => row.map(Number));
  const modelSha256 = await modelHash(models.tiny.source);
  writeFileSync(at("heads.json"), JSON.stringify({ modelSha256, keep: 0.5, ratios, kept: retained }));
}

/** A text prompt; for the tiny model, a prompt with an image. */
function promptFor(name: Name, tokens: number): SpannedPrompt {
  const ids = Array.from({ length: tokens }, (_, i) => 3 + ((i * 37) % 60));
  if (name !== "tiny") return { prompt: ids, embeddings: new Map(), visual: [] };
  const { hidden } = models.tiny.decoder.config;
  const random = seededRandom(9);
  const embeddings = Float32Array.from({ length: GRID[0] * GRID[1] * hidden }, () => random() - 0.5);
  return promptOfSpans([ids.slice(0, 3), { embeddings, contentHash: "bills", grid: GRID }, ids.slice(3)], hidden);
}

interface Ran {
  readonly usage: Usage;
  readonly reason: string;
  readonly cut?: string;
}

/** The usage of an answer from an empty cache, without end tokens. */
async function answered(
  name: Name,
  recipe: string,
  tokens: number,
  input: GenerateInput,
  ceiling?: { readonly flops: number },
): Promise<Ran> {
  const model = models[name];
  const { prompt, embeddings, visual } = promptFor(name, tokens);
  using lease = await model.recipes.use(parseRecipe(recipe.split(" ")));
  model.engine.forget();
  const never = Object.fromEntries([...model.tokenizer.stopIds].map((id) => [id, -100]));
  const options = generateOptions.parse({ temperature: 0, logitBias: never, repetitionDetection: false, ...input });
  const terms = { plan: lease.plan(prompt.length, visual), embeddings, ...(ceiling && { ceiling }) };
  for await (const { finish } of generate(model.engine, model.tokenizer, prompt, options, terms))
    if (finish) return finish;
  throw new Error("an answer ended without its bill");
}

const sparse = "blockSize=8,minLengthForSparse=8";
const exits = (fill: string) => `exit:layer=2,mode=random,rate=0.6,seed=3,fill=${fill}`;
const isState = (fill: string) => fill.startsWith("ssm");

type Case = readonly [Name | "one that it serves", string];

/** Recipes by the saving under test, each with a model that supports it; some add files, short blocks or savings. */
const recipes: Readonly<Record<string, readonly Case[]>> = {
  dynamax: ["verify", ...stateFills.filter((fill) => !isState(fill))].map(
    (fill): Case => ["world", `dynamax:file=${at("linear")},threshold=0.4,fill=${fill}`],
  ),
  draft: [
    ["world", `draft:file=${at("draft")},match=0,confidence=0`],
    ["world", `draft:file=${at("draft")},match=1,confidence=0 prune:after=1,minLength=8`],
  ],
  exit: [
    ["world", "exit:layer=1"],
    ["world", "exit:layer=1,fill=verify"],
    ...["verify", ...stateFills].map((fill): Case => [isState(fill) ? "mamba" : "world", exits(fill)]),
  ],
  feather: [["tiny", "feather:after=1,ratio=0.5,stride=3"]],
  flexprefill: [["world", `flexprefill:${sparse}`]],
  "int8-prefill": multipliesBytes()
    ? [
        ["world", "int8-prefill"],
        ["world", "int8-prefill:digits=2"],
        ["world", "int8-prefill:rotation=0"],
        ["world", "int8-prefill prune:after=1,minLength=8"],
        ["tiny", "int8-prefill yopo:radius=1,ffn=0.5"],
        ["world", `int8-prefill xattention:threshold=0.5,stride=4,${sparse} prune:after=1,minLength=8 lookup:match=1`],
      ]
    : [],
  lookup: [
    ["world", "lookup:match=1"],
    ["world", "lookup:match=1 prune:after=1,minLength=8"],
  ],
  minference: [["world", `minference:${sparse}`]],
  prune: [["world", "prune:after=1,minLength=8"]],
  sec: stateFills
    .filter((fill) => !isState(fill))
    .map((fill): Case => ["world", `sec:file=${at("controller")},exit=0.4,stop=0.9,fill=${fill}`]),
  "tri-shape": [["world", `tri-shape:${sparse}`]],
  xattention: [
    ["world", `xattention:threshold=0.5,stride=4,${sparse}`],
    ["world", `xattention:threshold=0.9999999,stride=4,${sparse}`],
    ["world", `xattention:threshold=0.5,stride=4,${sparse} exit:layer=1,fill=verify`],
  ],
  yopo: [
    ["tiny", "yopo:radius=1"],
    ["tiny", "yopo:radius=9,causal=true"],
    ["tiny", `yopo:heads=${at("heads.json")}`],
    ["tiny", `yopo:heads=${at("heads.json")},drop=post-softmax-zero`],
  ],
};
/** Other savings, with their own settings. */
const others = savings
  .filter(({ name }) => !Object.hasOwn(recipes, name))
  .flatMap((saving) =>
    exampleSteps(saving, 4).map((step): Case => ["one that it serves", onShortPrompts(step, saving)]),
  );

async function serves(name: Name, recipe: string): Promise<boolean> {
  try {
    using _ = await models[name].recipes.use(parseRecipe(recipe.split(" ")));
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** The first model that supports a recipe. */
async function servedBy(recipe: string): Promise<Name> {
  for (const name of Object.keys(sources) as Name[]) if (await serves(name, recipe)) return name;
  throw new Error(`${recipe} serves none of ${Object.keys(sources).join(", ")}: give it one that it serves`);
}

describe.each([...Object.values(recipes).flat(), ...others])("%s under %s", (value, recipe) => {
  let name: Name;
  beforeAll(async () => {
    name = value === "one that it serves" ? await servedBy(recipe) : value;
  });

  test("dense is the dense run's own, in FLOPs and bytes", async () => {
    for (const tokens of [9, 75, 203]) {
      const dense = await answered(name, "dense", tokens, { maxTokens: 1 });
      expect(dense.usage.bytes.spent).toBe(dense.usage.bytes.dense);
      const { usage } = await answered(name, recipe, tokens, { maxTokens: 1 });
      expect([usage.flops.dense, usage.bytes.dense]).toEqual([dense.usage.flops.spent, dense.usage.bytes.spent]);
    }
  });

  test("of an answer, dense is the price of its lengths, and all that is more is overhead", async () => {
    for (const tokens of [9, 75]) {
      const { usage, reason } = await answered(name, recipe, tokens, { maxTokens: 24 });
      // A saving that ends an answer reads its last token; a dense run would have continued.
      const completion = usage.tokens.completion + Number(reason === "stopped");
      const price = priceOfLengths(models[name], { ...usage.tokens, completion });
      expect(usage.flops.dense).toBe(price.flops);
      expect(usage.bytes.dense).toBe(price.bytes);
      expect(usage.flops.overhead).toBeLessThanOrEqual(usage.flops.spent);
      expect(usage.flops.spent - usage.flops.overhead).toBeLessThanOrEqual(usage.flops.dense);
    }
  });
});

test.each(["exit:layer=1,fill=verify", exits("verify"), "lookup:match=1"])(
  "%s: without its wrong drafts, an answer costs what dense's does",
  async (recipe) => {
    for (const tokens of [9, 75]) {
      const { usage } = await answered("world", recipe, tokens, { maxTokens: 40, temperature: 1.5, seed: 1 });
      const { flops, work } = usage;
      expect(work["drafts"]!.run).toBeGreaterThan(work["accepted"]!.run);
      expect(flops.spent - flops.overhead).toBe(flops.dense);
    }
  },
);

test("an answer that ends before its drafts are checked has their work as overhead", async () => {
  const recipe = "exit:layer=2,fill=verify";
  const whole = (await answered("world", recipe, 20, { maxTokens: 24 })).usage.flops.spent;
  for (const share of [0.5, 0.6, 0.7]) {
    const { usage, cut } = await answered("world", recipe, 20, { maxTokens: 24 }, { flops: share * whole });
    expect(cut).toBe("flops");
    expect(usage.flops.dense).toBe(priceOfLengths(models.world, usage.tokens).flops);
    expect(usage.flops.spent - usage.flops.overhead).toBe(usage.flops.dense);
  }
});

test.each(["dense", "exit:layer=1,fill=verify", exits("copy-kv"), `xattention:threshold=0.5,stride=4,${sparse}`])(
  "likelihoods under %s: dense reads context and continuation in its own chunks",
  async (recipe) => {
    const { engine, recipes } = models.world;
    const ids = (n: number, from: number) => Array.from({ length: n }, (_, i) => 10 + (((from + i) * 37) % 400));
    const pairs = [
      { context: ids(190, 0), continuation: ids(15, 300) },
      { context: ids(190, 0), continuation: ids(4, 350) },
    ];
    const bills: ReturnType<Meter["total"]>[] = [];
    for (const text of ["dense", recipe]) {
      using lease = await recipes.use(parseRecipe([text]));
      using likelihoods = await Likelihoods.create(engine, (prompt) => lease.plan(prompt));
      engine.forget();
      const meter = new Meter(engine.programs);
      await likelihoods.ofPairs(pairs, meter);
      bills.push(meter.total());
    }
    const [dense, saved] = bills;
    expect(dense!.bytes.spent).toBe(dense!.bytes.dense);
    expect([saved!.flops.dense, saved!.bytes.dense]).toEqual([dense!.flops.dense, dense!.bytes.dense]);
    expect(saved!.flops.spent - saved!.flops.overhead).toBeLessThanOrEqual(saved!.flops.dense);
  },
);
