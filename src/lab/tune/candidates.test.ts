import { expect, test } from "vitest";
import { parseRecipe } from "../../savings/recipe.ts";
import { savings } from "../../savings/registry.ts";
import { UserError } from "../../util/errors.ts";
import { acting, declared, own, recipeOf, textOf, undeclared, union } from "./candidates.ts";

test("savings declare settings that are recipes, none twice, at any depth", () => {
  for (const layers of [2, 12, 30]) {
    const texts = declared(layers).map(({ recipe }) => recipe);
    expect(new Set(texts).size).toBe(texts.length);
    // Candidates' texts contain every option, and mean the same when parsed again.
    for (const text of texts) expect(textOf(recipeOf(text))).toBe(text);
  }
});

test("every saving is either tried or left out for a reason", () => {
  const names = savings.map(({ name }) => name);
  for (const layers of [1, 2, 30]) {
    const tried = new Set(declared(layers).map(({ family }) => family));
    const others = undeclared(layers);
    expect([...tried, ...others.map(({ family }) => family)].toSorted()).toEqual(names.toSorted());
    expect(others.every(({ reason }) => reason.length > 0)).toBe(true);
  }
  expect(undeclared(30)).toEqual(
    ["feather", "yopo"].map((name) => ({
      ...{ recipe: name, family: name },
      reason: "it acts only on images, and lab tune has no items with images",
    })),
  );
  expect(undeclared(1)).toContainEqual({
    ...{ recipe: "exit", family: "exit" },
    reason: "it has no settings for a model with 1 layer",
  });
});

test("settings go from mild to bold: each retains less than the one before", () => {
  const valuesOf = (family: string, option: string) =>
    declared(30)
      .filter((candidate) => candidate.family === family)
      .map(({ recipe }) => Number(new RegExp(`${option}=([\\d.]+)`).exec(recipe)![1]));
  for (const [family, option] of [
    ["minference", "budget"],
    ["tri-shape", "windowTokens"],
    ["flexprefill", "gamma"],
    ["xattention", "threshold"],
    ["prune", "after"],
  ] as const) {
    const values = valuesOf(family, option);
    expect(values.length).toBeGreaterThan(1);
    expect(values).toEqual(values.toSorted((a, b) => b - a));
  }
});

test("a saving that leaves short prompts dense reports from which length it acts", () => {
  const named = new Map(savings.map((saving) => [saving.name, saving]));
  const from = (text: string) => {
    const [{ saving, options }] = parseRecipe([text]) as [ReturnType<typeof parseRecipe>[number]];
    return named.get(saving.name)!.leastPrompt?.tokens(options);
  };
  expect(
    ["xattention", "tri-shape:minLengthForSparse=64", "int8-prefill", "prune:after=1", "lookup"].map(from),
  ).toEqual([4096, 64, 32, 512, undefined]);
});

test("a candidate that cannot act is reported with its reason: short prompts, or the model", async () => {
  const candidates = own(["xattention", "lookup", "prune:after=99,minLength=2"].map((text) => parseRecipe([text])));
  const { candidates: remaining, excluded } = await acting(candidates, [300, 310, 4000], async ([step]) => {
    if (step!.saving.name === "prune") throw new UserError("nothing is deeper than layer 99");
  });
  expect(remaining.map(({ recipe }) => recipe)).toEqual(["lookup:match=3,tokens=8"]);
  expect(excluded.map(({ reason }) => reason)).toEqual([
    "the median prompt has 310 tokens, but it acts only on prompts from 4,096",
    "nothing is deeper than layer 99",
  ]);
});

test("a union has both recipes, unless they share a saving or a place in the model", () => {
  const [lookup, bytes, exit, sparse, other] = own(
    ["lookup", "int8-prefill", "exit:layer=2", "xattention", "tri-shape"].map((text) => parseRecipe([text])),
  );
  expect(union(lookup!, bytes!)).toEqual({
    recipe: "lookup:match=3,tokens=8 int8-prefill:digits=1,rotation=32,minLength=32",
    family: `${lookup!.family}+${bytes!.family}`,
    boldness: 0,
  });
  expect(union(lookup!, exit!)).toBeUndefined();
  expect(union(bytes!, sparse!)?.family).toBe(`${bytes!.family}+${sparse!.family}`);
  expect(union(sparse!, other!)).toBeUndefined();
  expect(union(lookup!, lookup!)).toBeUndefined();
});

test("a list with only dense is refused", () => {
  expect(() => own([parseRecipe(["dense"])])).toThrow("the file has no recipes besides dense");
});
