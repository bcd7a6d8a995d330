import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { thresholdCalibration } from "../../savings/attention/xattention/calibration.ts";
import { modelHash, resolveModel } from "../../weights/sources/index.ts";
import { LanguageModel } from "../decode/language-model.ts";
import { calibrate, profileThresholds } from "./profile.ts";

const path = fileURLToPath(new URL("../../models/fixtures/llama-tiny.gguf", import.meta.url));
const sha256 = "0123456789abcdef".repeat(4);
const options = { stride: 4, blockSize: 8, coverage: 0.9 };
const texts = [
  "the tale of an owl and a fox, in the forest. ".repeat(3),
  "numbers: 0 1 2 3 4 5 6 7 8 9, and then again ".repeat(2),
];

let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load({ ...(await resolveModel(path)), sha256 });
});
afterAll(() => model[Symbol.dispose]());

test("gives a threshold for each layer and head, the greatest of the texts'", async () => {
  const both = await profileThresholds(model, texts, options);
  expect(both).toMatchObject({ modelSha256: sha256, ...options });
  expect(both.thresholds.map((heads) => heads.length)).toEqual([4, 4]);
  const each = await Promise.all([0, 1].map((i) => profileThresholds(model, [texts[i]!], options)));
  const greatest = each[0]!.thresholds.map((heads, l) => heads.map((t, h) => Math.max(t, each[1]!.thresholds[l]![h]!)));
  expect(both.thresholds).toEqual(greatest);
  for (const t of both.thresholds.flat()) {
    expect(t).toBeGreaterThan(0);
    expect(t).toBeLessThanOrEqual(1);
  }
  expect(new Set(both.thresholds.flat()).size).toBeGreaterThan(4);
});

test("more coverage asks for higher thresholds; all of the mass for every block that has some", async () => {
  const at = async (coverage: number) =>
    (await profileThresholds(model, texts, { ...options, coverage })).thresholds.flat();
  const [half, most, all] = [await at(0.5), await at(0.95), await at(1)];
  for (let i = 0; i < half.length; i++) {
    expect(half[i]!).toBeLessThanOrEqual(most[i]!);
    expect(all[i]!).toBeGreaterThan(0.999);
  }
  expect(half.reduce((a, b) => a + b)).toBeLessThan(most.reduce((a, b) => a + b));
});

test("with stride 1 the estimate is exact, so a head's threshold is at least its coverage", async () => {
  const { thresholds } = await profileThresholds(model, texts, { stride: 1, blockSize: 8, coverage: 0.8 });
  for (const t of thresholds.flat()) expect(t).toBeGreaterThanOrEqual(0.8 - 1e-5);
});

test("does not depend on what ran before", async () => {
  const first = await profileThresholds(model, texts, options);
  await profileThresholds(model, [texts[0]!.slice(0, 50)], options);
  expect(await profileThresholds(model, texts, options)).toEqual(first);
});

test("a calibration reads the first tokens of each text, and is bound to what it read", async () => {
  const learn = (all: readonly string[], tokens?: number) =>
    calibrate("a call", model, thresholdCalibration, all, { options: { stride: 4, blockSize: 8 }, tokens });
  const long = await learn(
    texts.map((text) => text.repeat(5)),
    40,
  );
  const { artefact, summary, use } = await learn(
    texts.map((text) => model.tokenizer.decode(model.encode(text, true).slice(0, 40))),
  );
  expect(long.artefact).toEqual(artefact);
  expect(artefact).toMatchObject({ modelSha256: sha256, stride: 4, blockSize: 8, coverage: 0.9 });
  expect(artefact["textsSha256"]).toMatch(/^[0-9a-f]{64}$/);
  expect((await learn([texts[0]!])).artefact["textsSha256"]).not.toBe(artefact["textsSha256"]);
  expect(summary).toMatch(/^8 thresholds, 0\.\d+ to [01]\.\d+, mean /);
  expect(use("p.json")).toBe("xattention:blockSize=8,stride=4,thresholds=p.json");
  // A limit above the context counts as the context.
  await learn(["0123456789".repeat(40)], 1000);
});

test("refuses no text, an empty one, and one beyond the context; a file of one's own is known by its bytes", async () => {
  await expect(profileThresholds(model, [], options)).rejects.toThrow("expected at least one text");
  await expect(profileThresholds(model, [texts[0]!, ""], options)).rejects.toThrow(
    "text 1 has 0 tokens, expected 1 to 256",
  );
  await expect(profileThresholds(model, ["0123456789".repeat(40)], options)).rejects.toThrow("text 0 has 400 tokens");
  using own = await LanguageModel.load(await resolveModel(path));
  expect((await profileThresholds(own, texts, options)).modelSha256).toBe(await modelHash(own.source));
});
