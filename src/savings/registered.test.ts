import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { tempFolder } from "../weights/sources/helpers.testing.ts";
import { xattentionOptions } from "./attention/xattention/options.ts";
import { exampleSteps } from "./examples.testing.ts";
import { integer, number } from "./option-schemas.ts";
import { parseRecipe, parseStep, resolvedStep } from "./recipe.ts";
import { chosenRecipe, registeredAs, registeredRecipes, registerRecipe } from "./registered.ts";
import { savingNamed, savings } from "./registry.ts";

/** Options from docs and results, and others that cover every kind of value. */
const settings: Readonly<Record<string, readonly string[]>> = {
  draft: ["", "tokens=1,confidence=0.7,match=0,file=a b/c=d:e"],
  dynamax: ["", "rule=softmax-max,threshold=0.9,fill=verify", "file=exits,classifier=ffn,from=20"],
  exit: ["layer=20", "layer=20,mode=random,rate=0.3,fill=recompute,seed=7"],
  feather: ["after=8", "after=4,second=8,ratio=0.5,stride=0,equal=true", "after=3,mode=fastv"],
  flexprefill: ["", "gamma=0.8,tau=0,blockSize=64"],
  "int8-prefill": ["", "digits=2", "rotation=0"],
  lookup: ["", "match=2,tokens=4"],
  minference: ["", "budget=1e-7,lastDenseTokens=128"],
  prune: ["after=8", "after=8,keep=0.25,by=recent,rotary=false"],
  sec: ["", "exit=0.6,stop=1,file=a b/c=d:e"],
  "tri-shape": ["", "sinkTokens=0,windowTokens=320"],
  xattention: ["", "threshold=0.30000000000000004,stride=16,forceSink=false", "select=random,seed=9007199254740991"],
  yopo: ["layers=12,radius=1,causal=true,ffn=0.5"],
};

const home = () => path.join(process.env["MODICUM_HOME"]!, "recipes.json");

beforeEach(() => void vi.stubEnv("MODICUM_HOME", tempFolder()));
afterEach(() => void vi.unstubAllEnvs());

/** Runs `act` with a saving's options replaced. */
async function withOptions(name: string, options: z.ZodType, act: () => Promise<void>): Promise<void> {
  const saving = savingNamed(name);
  const { options: own } = saving;
  Object.assign(saving, { options });
  try {
    await act();
  } finally {
    Object.assign(saving, { options: own });
  }
}

describe("a step with every option", () => {
  test.each(savings)("of $name is read again as the same options, and names each that has a default", (saving) => {
    const written = (settings[saving.name] ?? []).map((setting) =>
      setting === "" ? saving.name : `${saving.name}:${setting}`,
    );
    for (const setting of [...written, ...exampleSteps(saving, 30)]) {
      const step = parseStep(setting);
      const text = resolvedStep(step);
      expect(parseStep(text).options).toEqual(step.options);
      expect(resolvedStep(parseStep(text))).toBe(text);
      const { properties = {} } = z.toJSONSchema(saving.options, { io: "input" });
      for (const [option, { default: value }] of Object.entries(properties as Record<string, { default?: unknown }>))
        if (value !== undefined) expect(text).toMatch(new RegExp(`[:,]${option}=`));
    }
  });

  test("says what an option is by another one's value", () => {
    expect(resolvedStep(parseStep("feather:after=3,mode=fastv"))).toContain("score=full");
    expect(resolvedStep(parseStep("feather:after=3"))).toContain("score=image");
  });
});

describe("a registered recipe", () => {
  const created = new Date(0).toISOString();

  test("keeps its options when a default changes, and its text says what no longer is the default", async () => {
    await registerRecipe("m@fast", chosenRecipe("m", parseRecipe(["xattention:stride=16", "exit:layer=2"])));
    const before = (await registeredAs("m@fast"))!;
    expect(before.steps.map(({ text }) => text)).toEqual(["xattention:stride=16", "exit:layer=2"]);
    await withOptions("xattention", xattentionOptions.safeExtend({ threshold: number(0.5) }), async () => {
      expect(parseStep("xattention:stride=16").options).toMatchObject({ threshold: 0.5 });
      const { steps, recipe, notice } = (await registeredAs("m@fast"))!;
      expect(steps.map(({ options }) => options)).toEqual(before.steps.map(({ options }) => options));
      expect(steps.map(({ text }) => text)).toEqual(["xattention:stride=16,threshold=0.9", "exit:layer=2"]);
      expect(recipe).toEqual(["xattention:stride=16", "exit:layer=2"]);
      expect(notice).toBeUndefined();
    });
  });

  test("is read though what was typed would be refused with today's defaults", async () => {
    await registerRecipe("m@fast", chosenRecipe("m", parseRecipe(["xattention:stride=16"])));
    await withOptions("xattention", xattentionOptions.safeExtend({ blockSize: integer(1, 8) }), async () => {
      expect(() => parseStep("xattention:stride=16")).toThrow("stride 16 does not divide blockSize 8");
      expect((await registeredAs("m@fast"))!.steps[0]!.options).toMatchObject({ stride: 16, blockSize: 128 });
    });
  });

  test("names the files of its savings by absolute paths", () => {
    const { recipe, resolved } = chosenRecipe("m", parseRecipe(["xattention:thresholds=p.json"]));
    expect(recipe).toEqual([`xattention:thresholds=${path.resolve("p.json")}`]);
    expect(resolved![0]).toContain(`thresholds=${path.resolve("p.json")},`);
  });

  test("from before options were kept has the old defaults, and says so", async () => {
    const older = { model: "m", recipe: ["dense", "xattention", "dynamax:threshold=0.8"], created };
    writeFileSync(home(), JSON.stringify({ "m@fast": older }));
    const { steps, notice } = (await registeredAs("m@fast"))!;
    expect(steps.map(({ text }) => text)).toEqual(["xattention", "dynamax:threshold=0.8,fill=copy-kv/ssm-partial"]);
    expect(steps[1]!.options).toMatchObject({ threshold: 0.8, fill: "copy-kv/ssm-partial" });
    expect(notice).toBe(
      "m@fast keeps its older defaults: dynamax's fill copy-kv/ssm-partial, today copy-hidden/copy-kv/ssm-partial",
    );
    expect(JSON.parse(readFileSync(home(), "utf8"))["m@fast"]).toEqual(older);
  });

  test("from before says nothing of defaults that it does not use", async () => {
    for (const recipe of [["xattention"], ["dynamax:fill=verify"]]) {
      await registerRecipe("m@fast", { model: "m", recipe, created });
      const { steps, notice } = (await registeredAs("m@fast"))!;
      expect([steps.map(({ text }) => text), notice]).toEqual([recipe, undefined]);
    }
  });

  test("of today has today's defaults, without a notice", async () => {
    await registerRecipe("m@fast", chosenRecipe("m", parseRecipe(["dynamax"])));
    expect((await registeredRecipes())["m@fast"]).toMatchObject({ recipe: ["dynamax"] });
    const { steps, notice } = (await registeredAs("m@fast"))!;
    expect(steps[0]).toEqual(parseStep("dynamax"));
    expect(notice).toBeUndefined();
  });
});

test("a name alone is registered with its preset's options, not before these are known", () => {
  expect(() => chosenRecipe("m", parseRecipe(["prune"]))).toThrow(
    expect.objectContaining({
      message: expect.stringMatching(/^prune: its name alone means a preset of m/),
      exitCode: 2,
    }),
  );
});
