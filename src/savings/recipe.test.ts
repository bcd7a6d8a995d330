import { describe, expect, test } from "vitest";
import { multipliesBytes } from "../runtime/processor.ts";
import { tempFolder, withEnv } from "../weights/sources/helpers.testing.ts";
import { fakeDecoder } from "./attention/block-sparse/kernels.testing.ts";
import { keepCertificate } from "./auto/certificate.ts";
import { certificateOf } from "./auto/fixture.testing.ts";
import { checkSeams, meansPreset, parseRecipe, parseStep, recipeFromValues, type Step } from "./recipe.ts";
import { savings } from "./registry.ts";
import type { SavingHost } from "./seams.ts";

const names = savings.map(({ name }) => name).join(", ");

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
    ["xatention", `UserError: no saving is called "xatention" (there are: ${names}); did you mean "xattention"?`],
    ["", `UserError: no saving is called "" (there are: ${names})`],
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
    [":", `UserError: no saving is called "" (there are: ${names})`],
    [":threshold=1", `UserError: no saving is called "" (there are: ${names})`],
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

test.each([
  ["xattention:mode=tri-shape", 'xattention: there is no option "mode"'],
  ["xattention:windowTokens=3", 'xattention: there is no option "windowTokens"'],
  ["tri-shape:windowToken=3", 'tri-shape: there is no option "windowToken"'],
])("%s is refused", (text, sentence) => {
  expect(complaint(() => parseStep(text))).toContain(sentence);
});

describe("seams", () => {
  test.each([
    ["xattention", "tri-shape"],
    ["minference", "flexprefill"],
  ])("%s and %s want the same one", (one, other) => {
    const [first, second] = [one, other].map((text) => text.split(":")[0]);
    expect(complaint(() => checkSeams(parseRecipe([one, other])))).toBe(
      `UserError: ${first} and ${second} both change the attention; a recipe can have only one of them`,
    );
  });

  test("a saving that is given twice is refused", () => {
    expect(complaint(() => checkSeams(parseRecipe(["xattention", "xattention:stride=4"])))).toBe(
      "UserError: xattention is given twice; a recipe can have only one of them",
    );
  });

  test("savings at different ones go together", () => {
    expect(() => checkSeams(parseRecipe(["prune:after=4", "xattention", "exit:layer=8"]))).not.toThrow();
  });
});

describe("what savings of attention prepare for a model", () => {
  const host: SavingHost = { decoder: fakeDecoder(), hash: async () => "" };
  const prepared = ({ saving, options }: Step) => saving.prepare(options, host);

  test.each([
    "xattention:threshold=1",
    "xattention:threshold=7",
    "xattention:selection=ratio,ratio=1",
    "minference:budget=1",
    "flexprefill:gamma=1",
  ])("%s is neutral: nothing", async (text) => {
    expect(await prepared(parseStep(text))).toBeUndefined();
  });

  test("they act in prompts of minLengthForSparse tokens and more, in every layer alike", async () => {
    for (const text of [
      "xattention:minLengthForSparse=9",
      "tri-shape:minLengthForSparse=9,sinkTokens=1,windowTokens=2",
    ]) {
      using saving = (await prepared(parseStep(text)))!;
      expect(saving.plan({ prompt: 8, visual: [] })).toBeUndefined();
      const part = saving.plan({ prompt: 9, visual: [] })!;
      expect(part.attention!(0)).toBe(part.attention!(2));
      expect(part.state).toEqual({ prompt: part.state!.answer, answer: expect.stringContaining(text.split(":")[0]!) });
    }
  });

  test("a window that holds the whole prompt is dense", async () => {
    using saving = (await prepared(parseStep("tri-shape:minLengthForSparse=0,sinkTokens=10,windowTokens=90")))!;
    expect([100, 101].map((prompt) => saving.plan({ prompt, visual: [] }) === undefined)).toEqual([true, false]);
  });

  test("states differ by the options", async () => {
    const states = await Promise.all(
      ["xattention", "xattention:threshold=0.8", "tri-shape"].map(async (text) => {
        using saving = (await prepared(parseStep(text)))!;
        return saving.plan({ prompt: 5000, visual: [] })!.state!.prompt;
      }),
    );
    expect(new Set(states).size).toBe(3);
  });

  test("a profile that is not there is refused", async () => {
    await expect(prepared(parseStep("xattention:thresholds=p.json"))).rejects.toThrow(
      "p.json: there is no such file, expected a threshold profile",
    );
  });
});

describe("a name alone", () => {
  test.each(["prune", "exit", "feather", "yopo"])("%s means a preset, and has no options without the model", (name) => {
    const step = parseStep(name);
    expect([step.text, meansPreset(step)]).toEqual([name, true]);
    expect(() => checkSeams([step, step])).not.toThrow();
  });

  test("that has defaults means these", () => expect(meansPreset(parseStep("xattention"))).toBe(false));

  test("with an option means what is written", () => {
    expect(meansPreset(parseStep("yopo:ffn=1"))).toBe(false);
    expect(() => parseStep("prune:keep=0.5")).toThrow("prune: expected the layer after which tokens are dropped");
  });
});

test.skipIf(!multipliesBytes())("a certificate's recipe has the defaults of its time", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  await keepCertificate("mine", certificateOf("int8-prefill:digits=1,minLength=32", {}));
  const { saving, options } = parseStep("auto:mine");
  const host = { hash: async () => "", decoder: { config: {} } } as SavingHost;
  using prepared = (await saving.prepare(options, host))!;
  const facts = { form: "raw", sampling: {}, constrained: false, maxTokens: 20 } as const;
  expect(prepared.plan({ prompt: 90, visual: [], facts })).toMatchObject({ bytes: { digits: 1, rotation: 0 } });
});
