import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../index.ts";
import { registeredAs, registeredRecipes, registerRecipe, shortName } from "../../savings/registered.ts";
import type { RecipeSummary, Summary } from "../results.ts";
import { evidenced, pick, readSummary } from "./pick.ts";
import { TINY } from "./run.testing.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-pick-"));
const home = process.env["MODICUM_HOME"];
beforeAll(() => {
  process.env["MODICUM_HOME"] = path.join(folder, "home");
});
afterAll(() => {
  if (home === undefined) delete process.env["MODICUM_HOME"];
  else process.env["MODICUM_HOME"] = home;
  rmSync(folder, { recursive: true });
});

const recipe = (threshold: number, delta: number, saved: number): RecipeSummary => ({
  recipe: threshold === 1 ? "dense" : `xattention:threshold=${threshold}`,
  ...{ quality: 0.8 + delta, ci95: [0, 1], delta: { mean: delta, ci95: [-1, 1] } },
  ...{ flops_saved: saved, ms_per_item: 1, on_frontier: true, others: {} },
});
const summary: Summary = {
  ...{ task: "t", metric: { name: "accuracy", better: "higher" }, model: TINY, model_hash: "ab", seed: 0, items: 9 },
  ...{ too_long: 0, command: "", machine: "", versions: {}, created: new Date(0).toISOString() },
  recipes: [recipe(1, 0, 0), recipe(0.9, -0.005, 0.2), recipe(0.8, -0.02, 0.35), recipe(0.5, -0.3, 0.6)],
};

describe("pick", () => {
  test.each([
    [{ quality: -0.01 }, "xattention:threshold=0.9"],
    [{ quality: -0.02 }, "xattention:threshold=0.8"],
    [{ quality: 0 }, "dense"],
    [{ saving: 0.3 }, "xattention:threshold=0.8"],
    [{ saving: 0 }, "dense"],
  ])("%j is met by %s", (wanted, expected) => expect(pick(summary, wanted).recipe).toBe(expected));

  test("where lower is better, a loss is a rise", () => {
    const lower: Summary = { ...summary, metric: { name: "perplexity", better: "lower" } };
    expect(pick(lower, { quality: -0.01 }).recipe).toBe("xattention:threshold=0.5");
    expect(pick({ ...lower, recipes: [recipe(1, 0, 0), recipe(0.5, 0.3, 0.6)] }, { quality: -0.01 }).recipe).toBe(
      "dense",
    );
  });

  test("what no recipe reaches is said with the nearest", () => {
    expect(() => pick(summary, { saving: 0.7 })).toThrow(/saves 0.7 .* the most is 0.600/);
    expect(() => pick(summary, { quality: 0.1 })).toThrow(/changes accuracy by 0.1/);
  });
});

describe("a registered recipe", () => {
  const file = path.join(folder, "summary.json");

  test("has its evidence's hash, and is what the model's name with it loads", async () => {
    writeFileSync(file, JSON.stringify(summary));
    const read = await readSummary(folder);
    const entry = await evidenced(folder, read, pick(read, { quality: -0.01 }));
    expect(entry.evidence?.sha256).toBe(createHash("sha256").update(readFileSync(file)).digest("hex"));
    const name = `${shortName(read.model)}@fast`;
    await registerRecipe("other@fast", { ...entry, recipe: [] });
    await registerRecipe(name, entry);
    expect(Object.keys(await registeredRecipes())).toEqual(["other@fast", "llama-tiny.gguf@fast"]);
    using model = await load(name);
    expect(model.recipe.map((s) => s.text)).toEqual(["xattention:threshold=0.9"]);
    const { receipt } = await model.complete("abc", { raw: true, maxTokens: 1 });
    expect(receipt.recipe).toEqual(["xattention:threshold=0.9"]);
  });

  test("a name that is not registered suggests the nearest; other names are left alone", async () => {
    await expect(load("llama-tiny.gguf@fats")).rejects.toThrow(/no recipe .* did you mean "llama-tiny.gguf@fast"/);
    for (const text of ["smollm2", "hf:org/name@main", "npm:a@1.2", "./x@y.gguf"])
      expect(await registeredAs(text)).toBeUndefined();
  });

  test("of another model's file is refused", async () => {
    const { requireModel } = await import("../../savings/registered.ts");
    const entry = (await registeredRecipes())["other@fast"]!;
    expect(() => requireModel("m@fast", entry, "cd")).toThrow(
      /m@fast was chosen for the model ab…, and this one is cd…/,
    );
    expect(() => requireModel("m@fast", entry, "ab")).not.toThrow();
  });
});
