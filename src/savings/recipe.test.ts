import { describe, expect, test } from "vitest";
import { fakeDecoder } from "./attention/xattention/kernels.testing.ts";
import { attentionOf, parseRecipe, parseStep, recipeFromValues } from "./recipe.ts";
import type { SavingHost } from "./seams.ts";

const complaint = (f: () => unknown): string => {
  try {
    f();
  } catch (error) {
    return String(error);
  }
  throw new Error("was accepted");
};

describe("a step", () => {
  test("by name alone has its defaults", () => {
    const { saving, options, text } = parseStep("xattention");
    expect(saving.name).toBe("xattention");
    expect(text).toBe("xattention");
    expect(options).toMatchObject({ threshold: 0.9, stride: 8, blockSize: 128 });
  });

  test("reads numbers, flags and names from text", () => {
    const { options, text } = parseStep("xattention:threshold=0.8,stride=16,forceSink=false,select=diagonal");
    expect(options).toMatchObject({ threshold: 0.8, stride: 16, forceSink: false, select: "diagonal" });
    expect(text).toBe("xattention:threshold=0.8,stride=16,forceSink=false,select=diagonal");
  });

  test("has the same text however its numbers are written", () => {
    const texts = ["threshold=0.90,stride=08", "threshold=9e-1,stride=8.0"].map(
      (o) => parseStep(`xattention:${o}`).text,
    );
    expect(texts).toEqual(Array(2).fill("xattention:threshold=0.9,stride=8"));
  });

  test("a value may hold the signs that separate", () => {
    expect(parseStep("xattention:thresholds=a=b:c.json").options).toMatchObject({ thresholds: "a=b:c.json" });
  });

  test.each([
    ["xatention", 'UserError: no saving is called "xatention" (there are: xattention); did you mean "xattention"?'],
    ["", 'UserError: no saving is called "" (there are: xattention)'],
    ["xattention:treshold=1", 'UserError: xattention: there is no option "treshold"; did you mean "threshold"?'],
    ["xattention:Stride=4", 'UserError: xattention: there is no option "Stride"; did you mean "stride"?'],
    ["xattention:wholly=4", 'UserError: xattention: there is no option "wholly"'],
    ["xattention:threshold=abc", 'UserError: xattention: threshold: expected a number of at least 0, got "abc"'],
    ["xattention:threshold=", 'UserError: xattention: threshold: expected a number of at least 0, got ""'],
    ["xattention:threshold=-1", "UserError: xattention: threshold: expected a number of at least 0, got -1"],
    ["xattention:stride=24", "UserError: xattention: stride 24 does not divide blockSize 128"],
    ["xattention:threshold", 'UserError: xattention: expected key=value after the colon, got "threshold"'],
    ["xattention:=3", 'UserError: xattention: expected key=value after the colon, got "=3"'],
    ["xattention:", "UserError: xattention: expected key=value after the colon, got nothing"],
    [":", 'UserError: no saving is called "" (there are: xattention)'],
    [":threshold=1", 'UserError: no saving is called "" (there are: xattention)'],
    ["dense:x=1", 'UserError: dense is the empty recipe and takes no options, got "dense:x=1"'],
    [
      "xattention:select=pooling",
      'UserError: xattention: select: expected one of antidiagonal, diagonal, random, mean-pool, got "pooling"',
    ],
  ])("%s is refused in one sentence", (text, sentence) => {
    expect(complaint(() => parseStep(text))).toBe(sentence);
  });

  test("a mistake in the words exits with 2", () => {
    for (const text of ["nothing", "xattention:stride=24", "xattention:x=1", "xattention:x"])
      expect(() => parseStep(text)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });

  test("an option given twice is refused", () => {
    expect(complaint(() => parseStep("xattention:stride=4,stride=8"))).toBe(
      "UserError: xattention: stride is given twice",
    );
  });
});

describe("a recipe", () => {
  test("keeps the order; dense is the empty one", () => {
    expect(parseRecipe([])).toEqual([]);
    expect(parseRecipe(["dense"])).toEqual([]);
    expect(parseRecipe(["xattention:stride=4", "xattention"]).map((s) => s.text)).toEqual([
      "xattention:stride=4",
      "xattention",
    ]);
  });

  test("from a file's values: texts and objects mean the same", () => {
    const recipe = recipeFromValues(
      ["dense", "xattention:stride=4", { name: "xattention", stride: 4 }, { name: "xattention" }],
      "r.yaml",
    );
    expect(recipe.map((s) => s.text)).toEqual(["xattention:stride=4", "xattention:stride=4", "xattention"]);
    expect(recipe[0]!.options).toEqual(recipe[1]!.options);
  });

  test.each([
    [{ name: "xattention" }, 'r.json: expected a list of savings, each "name:key=value" or an object with a name'],
    [[3], 'r.json: expected a list of savings, each "name:key=value" or an object with a name'],
    [[{ stride: 4 }], 'r.json: expected a list of savings, each "name:key=value" or an object with a name'],
    [[{ name: "xattention", stride: "x" }], 'xattention: stride: expected a whole number of at least 1, got "x"'],
    [[{ name: "xattention", strid: 4 }], 'xattention: there is no option "strid"; did you mean "stride"?'],
  ])("a file with %j is refused", (values, sentence) => {
    expect(complaint(() => recipeFromValues(values, "r.json"))).toBe(`UserError: ${sentence}`);
  });
});

describe("the attention seam", () => {
  const host: SavingHost = { decoder: fakeDecoder(), sha256: undefined };

  test("is left alone by an empty recipe and by neutral options", async () => {
    for (const texts of [
      [],
      ["xattention:threshold=1"],
      ["xattention:threshold=7"],
      ["xattention:selection=ratio,ratio=1"],
    ])
      expect(await attentionOf(parseRecipe(texts), host)).toBeUndefined();
  });

  test("is filled by one saving", async () => {
    using saving = (await attentionOf(parseRecipe(["xattention:minLengthForSparse=9"]), host))!;
    expect([8, 9].map((n) => saving.wants(n))).toEqual([false, true]);
  });

  test("is not for two", async () => {
    await expect(attentionOf(parseRecipe(["xattention", "xattention:stride=4"]), host)).rejects.toThrow(
      "both xattention and xattention want to do the attention; a recipe has one of them",
    );
  });

  test("a profile needs a model whose hash is known", async () => {
    await expect(attentionOf(parseRecipe(["xattention:thresholds=p.json"]), host)).rejects.toThrow(
      "p.json: a profile belongs to a model by its hash",
    );
  });
});
