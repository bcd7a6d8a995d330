import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test, vi } from "vitest";
import { load } from "../../../index.ts";
import { UserError } from "../../../util/errors.ts";
import { Metadata } from "../../../weights/gguf/metadata.ts";
import { readClassifier } from "./classifier.ts";
import { sentenceMetadata } from "./sentence-files.ts";

const home = mkdtempSync(path.join(tmpdir(), "modicum-sentence-metadata-"));
vi.stubEnv("MODICUM_HOME", home);
afterAll(() => rmSync(home, { recursive: true }));

function source(values: Readonly<Record<string, string | number>>) {
  const metadata = new Metadata("m.gguf");
  metadata.set("general.architecture", "bert");
  for (const [key, value] of Object.entries(values)) metadata.set(key, value);
  return { kind: "gguf", path: "m.gguf", metadata } as const;
}

test.each([
  [{}, "mean"],
  [{ "bert.pooling_type": 1 }, "mean"],
  [{ "bert.pooling_type": 2 }, "cls"],
  [{ "bert.pooling_type": 3 }, "last"],
])("%j is pooled by %s", (values, pooling) => {
  expect(sentenceMetadata(source(values))).toMatchObject({ pooling, normalise: true });
});

test.each([
  [0, "m.gguf: \"bert.pooling_type\" is 0, expected 1 (mean), 2 (the first token's) or 3 (the last token's)"],
  [4, 'm.gguf: "bert.pooling_type" is 4, a classifier, but the file has no tensor "cls.output.weight"'],
])("pooling %i is refused", (type, message) => {
  expect(() => sentenceMetadata(source({ "bert.pooling_type": type }))).toThrow(new UserError(message));
});

test("a GGUF without labels has numbered ones", () => {
  expect(readClassifier(source({}), 2).labels).toEqual(["LABEL_0", "LABEL_1"]);
});

const fixture = (name: string, file = "model.gguf") =>
  fileURLToPath(new URL(`../../../models/fixtures/${name}/${file}`, import.meta.url));

test("a GGUF embeds as vectors of length 1", async () => {
  using model = await load(fixture("bert"));
  const [vector] = (await model.embed(["abab"])).embeddings;
  expect(Math.hypot(...vector!)).toBeCloseTo(1, 5);
});

test("the encoder of a T5 also embeds, and answers nothing", async () => {
  using model = await load(fixture("t5-gated", "encoder.gguf"));
  const [one, other, again] = (await model.embed(["the rain", "on and on", "the rain"])).embeddings;
  expect(Math.hypot(...one!)).toBeCloseTo(1, 5);
  expect(again).toEqual(one);
  expect(other).not.toEqual(one);
  await expect(model.complete("the rain")).rejects.toThrow(UserError);
});

test("a GGUF classifies with the labels that it names", async () => {
  using model = await load(fixture("roberta"));
  const [result] = (await model.classify(["abab"])).results;
  expect(Object.keys(result!.scores)).toEqual(["LABEL_0", "LABEL_1", "LABEL_2"]);
  expect(Object.values(result!.scores).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
});
