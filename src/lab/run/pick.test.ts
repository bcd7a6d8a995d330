import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../index.ts";
import {
  type RegisteredRecipe,
  registeredAs,
  registeredRecipes,
  registerRecipe,
  shortName,
} from "../../savings/registered.ts";
import { Catalogue } from "../../serve/models/catalogue.ts";
import { modelHash, resolveModel } from "../../weights/sources/index.ts";
import type { RecipeSummary, Summary } from "../results.ts";
import { evidenced, moreItems, pick, readSummary } from "./pick.ts";
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

/** A recipe whose change of quality has an interval of half-width `half`. */
const recipe = (threshold: number, delta: number, saved: number, half = 0): RecipeSummary => ({
  recipe: threshold === 1 ? "dense" : `xattention:threshold=${threshold}`,
  ...{ quality: 0.8 + delta, ci95: [0, 1], delta: { mean: delta, ci95: [delta - half, delta + half] } },
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

  const wide = { ...summary, recipes: [recipe(1, 0, 0), recipe(0.9, -1 / 16, 0.2, 1 / 32), recipe(0.5, 0, 0.6, 0.5)] };

  test("a change counts by the worse end of its interval", () => {
    // Its mean is 0, and its interval reaches -0.50.
    expect(pick(wide, { quality: -0.2 }).recipe).toBe("xattention:threshold=0.9");
    expect(pick(wide, { quality: -0.06 }).recipe).toBe("dense");
    expect(pick(wide, { saving: 0.1 }).recipe).toBe("xattention:threshold=0.9");
  });

  test("one item has no interval, and proves nothing", () => {
    const one = { ...summary, items: 1 };
    expect(pick(one, { quality: -1 }).recipe).toBe("dense");
    expect(moreItems(one, -1)).toBe("one item has no interval");
  });

  test("if lower is better, a loss is a rise", () => {
    const metric = { name: "perplexity", better: "lower" } as const;
    expect(pick({ ...summary, metric }, { quality: -0.01 }).recipe).toBe("xattention:threshold=0.5");
    expect(pick({ ...wide, metric }, { quality: -0.06 }).recipe).toBe("xattention:threshold=0.9");
    const worse = { ...summary, metric, recipes: [recipe(1, 0, 0), recipe(0.5, 0.3, 0.6)] };
    expect(pick(worse, { quality: -0.01 }).recipe).toBe("dense");
  });

  test("if no recipe is proven, the error estimates how many items may be enough, since an interval narrows with their root", () => {
    // The margin is half of the interval's half-width, so it takes four times as many items.
    expect(moreItems(wide, -5 / 64)).toMatch(/^about 36 items might be enough for xattention:threshold=0\.9/);
    expect(moreItems(summary, 0.01)).toMatch(/more items are unlikely to help/);
  });

  test("an unreachable goal is reported with the nearest recipe", () => {
    expect(() => pick(summary, { saving: 0.7 })).toThrow(/saves 0.7 .* the most is 0.600/);
    expect(() => pick(summary, { quality: 0.1 })).toThrow(/proven to change accuracy by 0.1 or better; every recipe/);
  });
});

describe("a registered recipe", () => {
  const file = path.join(folder, "summary.json");

  /** Registers a recipe as `lab pick` does, from a run's folder that holds the summary. */
  async function registered(contents: Summary, name: string): Promise<RegisteredRecipe> {
    writeFileSync(file, JSON.stringify(contents));
    const read = await readSummary(folder);
    const { entry } = await evidenced(folder, read, pick(read, { quality: -0.01 }));
    await registerRecipe(name, entry);
    return entry;
  }

  test("has its evidence's hash, and is loaded by the model's name with its own", async () => {
    const source = await resolveModel(TINY);
    const name = `${shortName(TINY)}@fast`;
    const entry = await registered({ ...summary, model_hash: await modelHash(source) }, name);
    expect(entry.evidence?.sha256).toBe(createHash("sha256").update(readFileSync(file)).digest("hex"));
    await registerRecipe("other@fast", { ...entry, recipe: [] });
    expect(Object.keys(await registeredRecipes())).toEqual([name, "other@fast"]);
    using model = await load(name);
    expect(model.recipe.map((s) => s.text)).toEqual(["xattention:threshold=0.9"]);
    const { receipt } = await model.complete("abc", { raw: true, maxTokens: 1 });
    expect(receipt.recipe).toEqual(["xattention:threshold=0.9"]);
  });

  test("an unregistered name suggests the nearest; other names are unchanged", async () => {
    await expect(load("llama-tiny.gguf@fats")).rejects.toThrow(/no recipe .* did you mean "llama-tiny.gguf@fast"/);
    for (const text of ["smollm2", "hf:org/name@main", "npm:a@1.2", "./x@y.gguf"])
      expect(await registeredAs(text)).toBeUndefined();
  });

  test("with a user's file that has changed is refused at loading, and by a server", async () => {
    const own = path.join(folder, "own.gguf");
    copyFileSync(TINY, own);
    const model_hash = await modelHash(await resolveModel(own));
    await registered({ ...summary, model: own, model_hash }, "own@fast");
    (await load("own@fast")).dispose();
    const bytes = readFileSync(own);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(own, bytes);
    const refusal = /^own@fast was chosen for the model [0-9a-f]{12}…, but this one is [0-9a-f]{12}…; measure again/;
    await expect(load("own@fast")).rejects.toThrow(refusal);
    const catalogue = await Catalogue.open([`own=${own}`]);
    await expect(catalogue.choose({ model: "own@fast" })).rejects.toThrow(refusal);
  });

  test("names its files and its model by absolute paths, its savings one by one, and its form", async () => {
    const profile = path.join(folder, "per head.json");
    writeFileSync(profile, "{}");
    const here = (place: string) => path.relative(process.cwd(), place);
    const texts = [`xattention:thresholds=${here(profile)}`, `xattention:thresholds=${profile}`] as const;
    const of = (steps?: string[]): Summary => ({
      ...{ ...summary, model: here(TINY), quant: "q4" },
      recipes: [{ ...recipe(0.9, 0, 0.2), recipe: texts[0], ...(steps && { steps }) }],
    });
    expect(await registered(of([texts[1]]), "a@fast")).toMatchObject({ model: TINY, recipe: [texts[1]], quant: "q4" });
    const flat = path.join(folder, "flat.json");
    writeFileSync(flat, "{}");
    const before = { ...of(), recipes: [{ ...recipe(0.9, 0, 0.2), recipe: `xattention:thresholds=${here(flat)}` }] };
    expect(await registered(before, "a@fast")).toMatchObject({ recipe: [`xattention:thresholds=${flat}`] });
    using model = await load("llama-tiny.gguf@fast");
    expect(model.name).toBe(TINY);
    rmSync(profile);
    await expect(registered(of([texts[1]]), "a@fast")).rejects.toThrow(
      /per head\.json, which is missing; run lab pick in/,
    );
    const gone = { ...summary, model: "x.gguf", model_file: path.join(folder, "gone.gguf") };
    await expect(registered(gone, "a@fast")).rejects.toThrow(/gone\.gguf, which is missing/);
  });

  test("from before a default changed keeps the measured settings in full", async () => {
    const of = (resolved?: string[]): Summary => ({
      ...summary,
      recipes: [{ ...recipe(0.9, 0, 0.2), recipe: "dynamax:rule=random,rate=0.3", ...(resolved && { resolved }) }],
    });
    const evidence = async (value: Summary) => evidenced(folder, value, value.recipes[0]!);
    const { entry, notice } = await evidence(of());
    expect(entry.recipe).toEqual(["dynamax:rule=random,rate=0.3,fill=copy-kv/ssm-partial"]);
    const resolved = ["dynamax:rule=random,classifier=linear,rate=0.3,seed=0,fill=copy-kv/ssm-partial,threshold=0.9"];
    expect(entry.resolved).toEqual(resolved);
    expect(notice).toMatch(
      /: dynamax:rule=random,rate=0\.3 keeps .* dynamax's fill copy-kv\/ssm-partial, today copy-h/,
    );
    const hidden = [resolved[0]!.replace("copy-kv/ssm-partial", "copy-hidden/copy-kv/ssm-partial")];
    const today = await evidence(of(hidden));
    expect(today).toMatchObject({ entry: { recipe: ["dynamax:rule=random,rate=0.3"], resolved: hidden } });
    expect(today.notice).toBeUndefined();
  });

  test("from before a default changed says so once, when it is loaded and in a server's log", async () => {
    const name = `${shortName(TINY)}@older`;
    const created = new Date(0).toISOString();
    await registerRecipe(name, { model: TINY, recipe: ["dynamax:rule=random"], created });
    const notices: string[] = [];
    const sentence = expect.stringMatching(/@older keeps its older defaults: .* fill copy-kv/);
    using model = await load(name, { onNotice: (notice) => notices.push(notice) });
    for (let i = 0; i < 2; i++) {
      const { receipt } = await model.complete("abc", { raw: true, maxTokens: 2 });
      expect(receipt.recipe).toEqual(["dynamax:rule=random,fill=copy-kv/ssm-partial"]);
    }
    expect(notices).toEqual([sentence]);
    const catalogue = await Catalogue.open([`tiny=${TINY}`]);
    const choice = await catalogue.choose({ model: name });
    expect(choice.recipe.map(({ text }) => text)).toEqual(["dynamax:rule=random,fill=copy-kv/ssm-partial"]);
    expect([catalogue.checkForm(choice, "raw"), catalogue.checkForm(choice, "raw")]).toEqual([[sentence], []]);
  });

  test("with a form of its own is loaded in it, also by a server, unless another is asked for", async () => {
    const whole = { ...summary, model_hash: await modelHash(await resolveModel(TINY)), model: TINY };
    await registered({ ...whole, quant: "q8" }, "form@fast");
    const form = async (options = {}) => {
      using model = await load("form@fast", options);
      return (await model.complete("abc", { raw: true, maxTokens: 1 })).receipt.bytes.spent;
    };
    const [own, exact, rounded] = [await form(), await form({ quant: "f32" }), await form({ quant: "q8" })];
    expect(own).toBe(rounded);
    expect(own).toBeLessThan(exact);
    const catalogue = await Catalogue.open([`form=${TINY}`]);
    expect(await catalogue.choose({ model: "form@fast" })).toMatchObject({ quant: "q8" });
    expect(await catalogue.choose({ model: "form" })).toMatchObject({ quant: "auto" });
  });
});
