import { cpSync, renameSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { registeredRecipes, registerRecipe } from "../../savings/registered.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { define } from "./recipes.ts";

const fixture = (name: string) =>
  path.relative(".", fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url)));

beforeEach(() => {
  vi.stubEnv("MODICUM_HOME", tempFolder());
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function listed(): Promise<string> {
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const command = new Command("recipes");
  define(command);
  await command.parseAsync([], { from: "user" });
  return written.mock.calls.map(([text]) => text).join("");
}

async function add(...words: string[]): Promise<void> {
  const command = new Command("recipes");
  define(command);
  await command.parseAsync(["add", "fast", ...words], { from: "user" });
}

test("a recipe is registered for a model that is here, wherever it is used from; or that may be downloaded", async () => {
  const file = fixture("llama-tiny.gguf");
  await add("--model", file, "--save", "xattention:threshold=0.5");
  await add("--model", "smollm2");
  expect(await registeredRecipes()).toMatchObject({
    "llama-tiny.gguf@fast": { model: path.resolve(file), recipe: ["xattention:threshold=0.5"] },
    "smollm2@fast": { model: "smollm2", recipe: [] },
  });
});

test("a recipe that replaces another says which", async () => {
  await add("--model", "smollm2", "--save", "lookup");
  expect(process.stderr.write).toHaveBeenLastCalledWith(expect.stringMatching(/^registered as smollm2@fast: /));
  await add("--model", "smollm2", "--save", "lookup:match=2");
  expect(process.stderr.write).toHaveBeenLastCalledWith(
    expect.stringMatching(/^registered as smollm2@fast, in place of lookup: /),
  );
});

test("a recipe from before a default changed is listed with the option that it keeps", async () => {
  await add("--model", "smollm2", "--save", "dynamax");
  const created = new Date(0).toISOString();
  await registerRecipe("smollm2@older", { model: "smollm2", recipe: ["dynamax"], created });
  const shown = await listed();
  expect(shown).toMatch(/^smollm2@fast +dynamax +not measured/m);
  expect(shown).toMatch(/^smollm2@older +dynamax:fill=copy-kv\/ssm-partial +not measured/m);
});

test("a saving's name alone is registered with the options of the model's preset; or refused", async () => {
  await add("--model", "vlm-tiny", "--save", "feather");
  const preset = "feather:after=2,ratio=0.7,equal=true";
  expect((await registeredRecipes())["vlm-tiny@fast"]).toMatchObject({
    recipe: [preset],
    resolved: [expect.stringContaining("stride=3")],
  });
  await expect(add("--model", "vlm-tiny", "--save", "prune")).rejects.toThrow("no choice of tokens is shown to work");
  await expect(add("--model", "smollm2", "--save", "prune")).rejects.toThrow(
    "a preset of smollm2, which is not downloaded",
  );
});

test.each([
  ["an alias that is none", ["--model", "smolm2"], 'no model is called "smolm2"; did you mean "smollm2"?'],
  ["a file that is none", ["--model", "absent.gguf"], "there is no file absent.gguf"],
  [
    "savings that the model has no seam for",
    ["--model", fixture("../../engine/fixtures/classifier"), "--save", "xattention"],
    "no saving has a seam in it",
  ],
])("%s is told, and nothing is registered", async (_, words, sentence) => {
  await expect(add(...words)).rejects.toThrow(sentence);
  expect(await registeredRecipes()).toEqual({});
});

test("a recipe whose adapter's folder was moved says so in the list", async () => {
  const folder = path.join(tempFolder(), "poet");
  cpSync(fixture("../../weights/adapter/fixtures/llama-gguf"), folder, { recursive: true });
  await add("--model", fixture("llama-tiny.gguf"), "--adapter", folder);
  expect(await listed()).toContain("dense, adapter poet  ");
  renameSync(folder, `${folder}-elsewhere`);
  expect(await listed()).toContain(`dense, adapter poet (there is no folder ${folder})`);
});
