/** A saving's name alone, on every model that ships: it acts on a prompt of its kind, or is refused in one sentence. */
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
  "expertrag-world": `${" tana harkin pet fox. complete:".repeat(6)} tana harkin pet`,
};

/** A prompt of the kind that a saving is for, and the most tokens of its answer. */
async function promptOf(saving: string, name: string) {
  switch (saving) {
    case "feather":
    case "yopo": {
      const pixels = { create: { width: 96, height: 96, channels: 3, background: "teal" } } as const;
      return { prompt: "where is the cat?", images: [await sharp(pixels).png().toBuffer()], maxTokens: 1 };
    }
    case "prune":
      return { prompt: LICENCE.slice(0, 6000), maxTokens: 1 };
    case "xattention":
    case "tri-shape":
    case "minference":
    case "flexprefill":
      return { prompt: LICENCE.repeat(2).slice(0, 21_400), maxTokens: 1 };
    case "lookup":
    case "int8-prefill":
      return { prompt: quotesFor[name] ?? QUOTES.repeat(downloaded.includes(name) ? 4 : 1), maxTokens: 12 };
    case "sec":
    case "dynamax":
      return { prompt: CODE, maxTokens: 24 };
    default:
      throw new Error(`say what a prompt of ${saving} is`);
  }
}

/**
 * Prompts of thousands of tokens take downloaded models a minute each: of the savings that act on them alone, one is
 * run on the smallest of these models.
 */
const isCostly = (model: string, saving: string): boolean =>
  downloaded.includes(model) &&
  ["xattention", "tri-shape", "minference", "flexprefill"].includes(saving) &&
  !(model === "smollm2" && saving === "xattention");

/** The recipe of a name alone on a model; or the sentence that refuses it, which exits with 2. */
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
    const found = await Promise.all(
      savings.map(async (saving) => [saving.name, await bare(name, saving.name)] as const),
    );
    const acting = found.filter(([saving, recipe]) => typeof recipe !== "string" && !isCostly(name, saving));
    if (acting.length === 0) return;
    using model = await load((await sourceOf(name)).path);
    const idle: string[] = [];
    for (const [saving, recipe] of acting) {
      const { prompt, ...options } = await promptOf(saving, name);
      const { receipt } = await model.complete(prompt, { ...options, raw: true, temperature: 0, save: [saving] });
      expect(receipt.recipe).toEqual((recipe as Recipe).map(({ text }) => text));
      if (!Object.values(receipt.work ?? {}).some((counted) => counted["dense"] !== counted["run"])) idle.push(saving);
    }
    expect(idle).toEqual([]);
  });
});

const presets = savings.flatMap(({ name }) => bundledPresets(name).map((preset) => ({ saving: name, ...preset })));

test.each(presets)("the preset of $saving for $model.name is what the lab measured without a loss", async (preset) => {
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
