/** A saving's name alone, on every shipped model: it acts on a prompt of its kind, or is refused in one sentence. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { checkSavings } from "../src/engine/file/check-savings.ts";
import { load } from "../src/index.ts";
import { summarySchema } from "../src/lab/results.ts";
import { bundledPresets } from "../src/savings/presets.ts";
import { parseRecipe, parseStep, type Recipe } from "../src/savings/recipe.ts";
import { savings } from "../src/savings/registry.ts";
import { UserError } from "../src/util/errors.ts";
import { modelFolder, modelRoots, namesIn } from "../src/util/model-folders.ts";
import { packageRoot } from "../src/util/package-root.ts";
import { modelHash, resolveModel } from "../src/weights/sources/index.ts";

const trained = modelRoots()
  .flatMap(namesIn)
  .filter((name) => existsSync(join(modelFolder(name)!, "config.json")));
const downloaded = ["smollm2", "qwen2.5-coder", "gemma3", "minilm"];
const sourceOf = (name: string) => resolveModel(trained.includes(name) ? modelFolder(name)! : name);

const LICENCE = readFileSync(join(packageRoot(), "LICENSE"), "utf8");
const CODE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n\n\ndef multiply(a, b):\n";
const QUOTES = "to be or not to be, to be or not to be, to be ";

/** Texts that repeat themselves, for models that read no English. */
const quotesFor: Readonly<Record<string, string>> = {
  "executor-tiny": "gc,ab,bd,af,fg|ac4=afgc>f,gc,ab,bd,af,fg|ac4=afgc>",
  "exits-small": "capital of lusori? batu. capital of lusori? ",
  "think-tiny": "9:72 8:5*72+3=72 7:5*72+3=72 6:5*72+3=72 5:5*72+3=72 ",
  "expertrag-world": `${" tana harkin pet fox. complete:".repeat(6)} tana harkin pet`,
};

type Prompt = readonly [prompt: string, options: { readonly maxTokens: number; readonly images?: readonly Buffer[] }];

const kinds = ["code", "quotes", "page", "book", "picture"] as const;

/** A prompt of a kind, and its maximum answer tokens. */
async function promptOf(kind: (typeof kinds)[number], name: string): Promise<Prompt> {
  switch (kind) {
    case "picture": {
      const pixels = { create: { width: 96, height: 96, channels: 3, background: "teal" } } as const;
      return ["where is the cat?", { images: [await sharp(pixels).png().toBuffer()], maxTokens: 1 }];
    }
    case "page":
      return [LICENCE.slice(0, 3000), { maxTokens: 1 }];
    case "book":
      return [LICENCE.repeat(2).slice(0, 21_400), { maxTokens: 1 }];
    case "quotes":
      return [quotesFor[name] ?? QUOTES.repeat(downloaded.includes(name) ? 4 : 1), { maxTokens: 12 }];
    case "code":
      return [CODE, { maxTokens: 24 }];
  }
}

/** The prompt kind for a saving, which then skips the others. */
const kindFor: Readonly<Record<string, (typeof kinds)[number]>> = {
  ...{ feather: "picture", yopo: "picture", prune: "page", lookup: "quotes", "int8-prefill": "quotes" },
  ...{ xattention: "book", "tri-shape": "book", minference: "book", flexprefill: "book", sec: "code", dynamax: "code" },
};

/**
 * Prompts of thousands of tokens take downloaded models a minute each: only one of the savings that need them runs, on
 * the smallest model.
 */
const isCostly = (model: string, saving: string): boolean =>
  downloaded.includes(model) && kindFor[saving] === "book" && !(model === "smollm2" && saving === "xattention");

/** The recipe that a saving's bare name gives on a model, or the sentence that refuses it with exit status 2. */
async function bare(name: string, saving: string): Promise<Recipe | string> {
  try {
    return await checkSavings(await sourceOf(name), parseRecipe([saving]));
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ exitCode: 2, message: expect.stringMatching(/^[^\n]+$/) });
    return (error as UserError).message;
  }
}

describe.each([...trained, ...downloaded])("on %s", (name) => {
  test("each saving's name alone changes the work of a prompt of its kind, or is refused in one sentence", async () => {
    const results = await Promise.all(
      savings.map(async (saving) => [saving.name, await bare(name, saving.name)] as const),
    );
    const acting = results.filter(([saving, recipe]) => typeof recipe !== "string" && !isCostly(name, saving));
    if (acting.length === 0) return;
    using model = await load((await sourceOf(name)).path);
    const idle: string[] = [];
    const sees = existsSync(join((await sourceOf(name)).path, "preprocessor_config.json"));
    const changes = async (saving: string, recipe: Recipe, kind: (typeof kinds)[number]) => {
      const [prompt, options] = await promptOf(kind, name);
      const { tokenizer, decoder } = model.language;
      if (tokenizer.encode(prompt).length > decoder.config.context - options.maxTokens) return false;
      const { receipt } = await model.complete(prompt, { ...options, raw: true, temperature: 0, save: [saving] });
      expect(receipt.recipe).toEqual(recipe.map(({ text }) => text));
      return Object.values(receipt.work ?? {}).some((counted) => counted["dense"] !== counted["run"]);
    };
    for (const [saving, recipe] of acting) {
      const own = kindFor[saving];
      let acts = false;
      for (const kind of own ? [own] : kinds.filter((kind) => sees || kind !== "picture"))
        acts ||= await changes(saving, recipe as Recipe, kind);
      if (!acts) idle.push(saving);
    }
    expect(idle).toEqual([]);
  });
});

const presets = savings.flatMap(({ name }) => bundledPresets(name).map((preset) => ({ saving: name, ...preset })));

test.each(presets)("the preset of $saving for $model.name is the lab's measured one without a loss", async (preset) => {
  const { model, recipe, evidence, saving } = preset;
  expect(parseStep(recipe)).toMatchObject({ text: recipe, saving: { name: saving } });
  expect(await modelHash(await resolveModel(model.name))).toBe(model.sha256);
  const file = join(packageRoot(), evidence, "summary.json");
  const { model_hash, recipes, metric } = summarySchema.parse(JSON.parse(readFileSync(file, "utf8")));
  expect(model_hash).toBe(model.sha256);
  const measured = recipes.find((each) => each.recipe === recipe)!;
  expect(measured.flops_saved).toBeGreaterThan(0);
  const [low, high] = measured.delta.ci95 as [number, number];
  expect(metric.better === "higher" ? high : -low).toBeGreaterThanOrEqual(0);
});
