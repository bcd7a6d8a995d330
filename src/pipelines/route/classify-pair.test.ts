import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { EncoderModel } from "../../engine/encoders/text/encoder-model.ts";
import { tempFolder } from "../../weights/sources/helpers.testing.ts";
import { openEmbedder } from "../classify/embedder.ts";
import { HeadModel, type LabelHead, writeHead } from "../classify/head.ts";
import { labelModelOf } from "../classify/label-model.ts";
import { openClassifyPair, pairFiles } from "./classify-pair.ts";

const LABELS = ["negative", "positive"];

/** A head with two labels for a real embedder's vectors, with invented weights. */
async function headOf(name: string, first: number): Promise<LabelHead> {
  using embedder = await openEmbedder(name);
  const { identity, width } = embedder;
  const weights = Float64Array.from({ length: 2 * width }, (_, i) => (i < width ? first : -first) * ((i % 3) - 1));
  const training = { data: { name: "by hand", sha256: "0".repeat(64), rows: 1 }, seed: 0, l2: 1 };
  return {
    model: identity,
    labels: LABELS,
    training,
    linear: { classes: 2, width, weights, bias: new Float64Array(2) },
  };
}

const fixture = (name: string) => fileURLToPath(new URL(`../../engine/fixtures/${name}`, import.meta.url));
/** Small enough to be opened for every test. */
const TINY = fixture("sentences");
const heads = [await headOf(`${TINY}@layers=1`, 1), await headOf(TINY, 4)] as const;
const calibration = {
  score: "energy",
  data: { name: "by hand", rows: 4 },
  ...{ scores: [0.7, 0.8, 0.9, 1], swift: [0, 0, 1, 1], super: [1, 1, 1, 1] },
};

/** A pair's folder, with changes to its calibration. */
async function pair(change: object = {}, [swift, strong] = heads as readonly [LabelHead, LabelHead]): Promise<string> {
  const folder = tempFolder();
  const files = pairFiles(folder);
  await writeHead(files.swift, swift);
  await writeHead(files.super, strong);
  const calibrations = [
    { ...calibration, ...change },
    { ...calibration, score: "softmax", scores: [0.5, 0.6, 0.7, 0.8] },
  ];
  writeFileSync(files.calibration, JSON.stringify({ calibrations }));
  return folder;
}

const texts = ["a fine film", "a dull film", "not so bad at all"];

test("opens both models with their heads, and calls Super for the requested share", async () => {
  const folder = await pair({}, [await headOf("glove", 1), await headOf("minilm@layers=2", 4)]);
  using cascade = await openClassifyPair(folder, { by: "share", value: 0.5 });
  expect(cascade.options.threshold).toBeCloseTo(0.85, 12);
  expect(cascade.name).toBe("glove>minilm@layers=2");
  const { results, receipt } = await cascade.classify(texts);
  expect(results.every(({ label }) => LABELS.includes(label))).toBe(true);
  const strong = results.filter(({ route }) => route.to === "super").length;
  expect(receipt).toMatchObject({ work: { calls: { "minilm@layers=2": { dense: 3, run: strong } } } });
});

test("uses the first score, or the requested one", async () => {
  const folder = await pair();
  using softmax = await openClassifyPair(folder, { score: "softmax", by: "share", value: 0.5 });
  expect(softmax.scoring.score).toBe("softmax");
  expect(softmax.options.threshold).toBeCloseTo(0.65, 12);
  await expect(openClassifyPair(folder, { score: "margin", threshold: 0.5 })).rejects.toThrow(
    /calibration\.json: it has no score=margin, expected energy or softmax/,
  );
});

test("answers as its models do alone at either end", async () => {
  for (const [threshold, at] of [
    [Number.NEGATIVE_INFINITY, 0],
    [Number.POSITIVE_INFINITY, 1],
  ] as const) {
    using cascade = await openClassifyPair(await pair(), { threshold });
    using model = new HeadModel(await openEmbedder(heads[at].model.name), heads[at]);
    const { answers } = await model.logits(texts);
    const { results } = await cascade.classify(texts);
    expect(results.map(({ label }) => label)).toEqual(answers.map((z) => LABELS[z[1]! > z[0]! ? 1 : 0]));
  }
});

test("two layers of MiniLM's six cost a third", async () => {
  using two = await openEmbedder("minilm@layers=2");
  using six = await openEmbedder("minilm");
  expect(two.price(texts).flops / six.price(texts).flops).toBeCloseTo(1 / 3, 2);
  const [some, all] = [await two.embed(texts), await six.embed(texts)];
  expect(some.answers[0]).toHaveLength(384);
  expect(some.answers[0]).not.toEqual(all.answers[0]);
  // A price assumes separate batches, and they ran separately.
  expect(all.usage.flops.spent).toBeCloseTo(six.price(texts).flops, 0);
});

describe("refused", () => {
  test("a head trained for other weights", async () => {
    const { model, ...rest } = heads[0];
    const folder = await pair({}, [{ ...rest, model: { ...model, sha256: "b".repeat(64) } }, heads[1]]);
    await expect(openClassifyPair(folder, { threshold: 0 })).rejects.toThrow(
      /swift\.json: the head was trained for .*sentences@layers=1 \(bbbbbbbbbbbb\), but the model is .*sentences@layers=1 \([0-9a-f]{12}\)$/,
    );
  });

  test.each([
    [
      "a calibration of one row",
      { scores: [1], swift: [1], super: [1] },
      /a calibration needs two rows or more, got 1/,
    ],
    ["one whose answers are all right", { swift: [1, 1, 1, 1] }, /Swift answers all of the 4 rows correctly/],
    [
      "one that lacks answers",
      { super: [1] },
      /calibration\.json: "calibrations\.0\.swift": expected one answer per score/,
    ],
    [
      "a score that there is not",
      { score: "luck" },
      /calibration\.json: "calibrations\.0\.score": expected "energy", .* or "random", got "luck"/,
    ],
  ])("%s", async (_, change, message) => {
    await expect(openClassifyPair(await pair(change), { by: "share", value: 0.5 })).rejects.toThrow(message);
  });

  test("labels in another order", async () => {
    const folder = await pair({}, [heads[0], { ...heads[1], labels: LABELS.toReversed() }]);
    await expect(openClassifyPair(folder, { threshold: 0 })).rejects.toThrow(/expected the same order of labels/);
  });

  test("a missing file", async () => {
    await expect(openClassifyPair(tempFolder(), { threshold: 0 })).rejects.toThrow(
      /swift\.json: there is no such file/,
    );
  });

  test.each([
    ["minilm@layers=0", /has 6 layers, expected 1 to 6 of them, got 0/],
    ["minilm@layers=7", /has 6 layers, expected 1 to 6 of them, got 7/],
  ])("%s", async (name, message) => {
    await expect(openEmbedder(name)).rejects.toThrow(message);
  });

  const classifier = fixture("classifier");

  test("a classifier as an embedder, cut or whole", async () => {
    await expect(openEmbedder(classifier)).rejects.toThrow(/is a classifier; expected an embedding model/);
    await expect(openEmbedder(`${classifier}@layers=1`)).rejects.toThrow(/is a classifier, which reads all layers/);
  });
});

describe("a classifier's own checkpoint", () => {
  const folder = fixture("classifier");
  const source = { name: "classifier", path: folder, bytes: 0, source: "file" } as const;

  test("returns the logits of transformers, under its own labels", async () => {
    const { readings, logits } = JSON.parse(readFileSync(join(folder, "task.json"), "utf8"));
    using model = await EncoderModel.load(source);
    const labelled = labelModelOf(model);
    expect(labelled.labels).toEqual(["negative", "neutral", "positive"]);
    const alone = readings.flatMap((text: unknown, i: number) => (typeof text === "string" ? [i] : []));
    const { answers } = await labelled.logits(alone.map((i: number) => readings[i]));
    for (const [at, i] of alone.entries())
      for (const [c, z] of Array.from(answers[at]!).entries()) expect(z).toBeCloseTo(logits[i][c], 4);
  });

  test("is refused for other models", async () => {
    using model = await EncoderModel.load({ ...source, name: "cross-encoder", path: fixture("cross-encoder") });
    expect(() => labelModelOf(model)).toThrow("cross-encoder is not a classifier of two labels or more");
  });
});
