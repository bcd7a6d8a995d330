import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../weights/sources/helpers.testing.ts";
import { fakeDecoder } from "./attention/block-sparse/kernels.testing.ts";
import { withPresets } from "./presets.ts";
import { parseRecipe } from "./recipe.ts";

/** A models folder with a `prune` preset for the model `m`. */
function models(): string {
  const folder = tempFolder();
  mkdirSync(path.join(folder, "m", "prune"), { recursive: true });
  const preset = { model: { name: "m", sha256: "abc" }, recipe: "prune:after=1,keep=0.25", evidence: "research/m" };
  writeFileSync(path.join(folder, "m", "prune", "preset.json"), JSON.stringify(preset));
  return folder;
}

const of = (sha256: string, ...texts: string[]) =>
  withPresets(parseRecipe(texts), { decoder: fakeDecoder(), hash: async () => sha256 }, [models()]);

test("a name alone has the options of the model's preset; what is written stays", async () => {
  const steps = await of("abc", "prune", "lookup", "exit:layer=1");
  expect(steps.map(({ text }) => text)).toEqual(["prune:after=1,keep=0.25", "lookup", "exit:layer=1"]);
  expect(steps[0]!.options).toMatchObject({ after: 1, keep: 0.25, by: "attention" });
});

test.each([
  ["prune", /^prune: no choice of tokens has been shown to work on this model; choose one, such as prune:after=8/],
  ["yopo", /^yopo: no setting has been shown to work on this model/],
  ["xattention", /^xattention: by default it acts on prompts of 4096 tokens or more, but this model's context is 2048/],
])("%s alone is refused on a model without a preset, or without room", async (text, message) => {
  await expect(of("def", text)).rejects.toThrow(expect.objectContaining({ message: expect.stringMatching(message) }));
  await expect(of("def", text)).rejects.toThrow(expect.objectContaining({ exitCode: 2 }));
});

test("no file is read for its hash if no preset ships", async () => {
  const hash = () => Promise.reject(new Error("was read"));
  const host = { decoder: fakeDecoder(), hash };
  await expect(withPresets(parseRecipe(["exit"]), host, [models()])).rejects.toThrow("no layer has been shown");
});
