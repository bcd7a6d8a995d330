/** The savings dynamax and sec with hand-written exits, on a float32 model of four layers. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lossOf } from "../../../savings/depth/dynamax/calibration.ts";
import { thresholdCalibration } from "../../../savings/depth/dynamax/dynamax.ts";
import { watchedText } from "../../../savings/depth/dynamax/watched-text.ts";
import { exitsFile, exitsJson, exitsTensors, openExits } from "../../../savings/depth/exits/artefact.ts";
import { planOf } from "../../../savings/plan.ts";
import { parseRecipe } from "../../../savings/recipe.ts";
import { writeExits } from "../../../train/methods/exit-heads/write.ts";
import { seededRandom } from "../../../util/random.ts";
import { modelHash, resolveModel } from "../../../weights/sources/index.ts";
import { readTexts } from "../../file/given-texts.ts";
import { calibrate } from "../../file/profile.ts";
import { LanguageModel } from "../language-model.ts";
import { begin } from "./exits.testing.ts";
import { tokenLogits } from "./stepped.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-exit-savings-"));
const [linear, norm, controller, numb, certified, older] = [
  ...["linear", "norm", "controller", "numb", "certified", "older"],
].map((name) => path.join(folder, name)) as [string, string, string, string, string, string];

let model: LanguageModel;
beforeAll(async () => {
  model = await LanguageModel.load(
    await resolveModel(fileURLToPath(new URL("../../../../packages/models/expertrag-world", import.meta.url))),
    "f32",
  );
  await writeBoth(await modelHash(model.source));
});
afterAll(() => {
  model[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** Classifiers and a controller with random weights after layers 1 to 3, for a model with a hash. */
async function writeBoth(sha256: string): Promise<void> {
  const { hidden } = model.decoder.config;
  const random = seededRandom(5);
  const noise = (shape: number[], size: number) => ({
    shape,
    values: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => size * (random() - 0.5)),
  });
  const layers = [1, 2, 3];
  const measuredQuality = { auc: 0.5, positiveRate: 0.5, ece: 0 };
  const metadata = {
    ...{ model: { name: "world", sha256 }, layers, head: { mode: "shared" as const } },
    data: { name: "none", sha256, tokens: 1 },
    measured: { tokens: 1, right: [0, 0, 0, 1], agree: [0, 0, 0, 1], neverRight: 0 },
  };
  const decider = { topK: 1, temperatures: [1, 1, 1], measured: [measuredQuality, measuredQuality, measuredQuality] };
  const weights = new Map(
    layers.flatMap((layer) => [
      [`linear.${layer}.weight`, noise([1, hidden], 2)] as const,
      [`linear.${layer}.bias`, noise([1], 1)] as const,
    ]),
  );
  await writeExits(linear, {
    metadata: { ...metadata, saving: "dynamax", deciders: [{ kind: "linear", ...decider }] },
    weights,
  });
  const certificate = (risk: number, threshold: number) => ({
    ...({ risk, confidence: 0.95, loss: "token-disagreement", fill: "recompute", quant: "f32", threshold } as const),
    ...{ items: { count: 400, sha256 }, p: 0.01, mean: 0.01, depth: 3 },
  });
  const thresholds = [certificate(0.05, 0.6), certificate(0.1, 0.3)];
  for (const [out, own] of [
    [certified, { ...decider, thresholds }],
    [older, decider],
  ] as const)
    await writeExits(out, {
      metadata: { ...metadata, saving: "dynamax", deciders: [{ kind: "linear", ...own }] },
      weights,
    });
  const file = JSON.parse(readFileSync(exitsJson(older), "utf8"));
  file.deciders[0].thresholds = [{ delta: 0.05, epsilon: 0.05, threshold: 0, depth: 1 }];
  writeFileSync(exitsJson(older), JSON.stringify(file));
  const gains = layers.map(
    (layer) => [`head.${layer}.gain`, { shape: [hidden], values: new Float32Array(hidden).fill(1) }] as const,
  );
  const normed = { ...metadata, saving: "dynamax" as const, head: { mode: "norm" as const }, deciders: [] };
  await writeExits(norm, { metadata: normed, weights: new Map(gains) });
  const three = {
    metadata: { ...metadata, saving: "sec" as const, deciders: [{ kind: "controller" as const, ...decider }] },
  };
  await writeExits(controller, { ...three, weights: new Map([["controller.weight", noise([3, hidden], 2)]]) });
  const nans = { shape: [3, hidden], values: new Float32Array(3 * hidden).fill(Number.NaN) };
  await writeExits(numb, { ...three, weights: new Map([["controller.weight", nans]]) });
}

const ids = (n: number, from = 0) => Array.from({ length: n }, (_, i) => 10 + (((from + i) * 37) % 400));
const prompt = ids(30);
const next = ids(24, 300);

interface Ran {
  readonly logits: Float32Array[];
  readonly spent: ReturnType<Awaited<ReturnType<typeof begin>>["meter"]["total"]>;
  readonly stopped: boolean;
}

/** Logits after a prompt and after each token of a given continuation, up to the stop. */
async function run(...save: string[]): Promise<Ran> {
  model.engine.forget();
  using lease = await model.use(parseRecipe(save));
  const row = await begin(model, prompt, lease.plan(prompt.length));
  try {
    for (const token of next) {
      const [stepped] = await model.engine.stepAll([{ ...row, token }]);
      if (stepped!.kind === "stop") return { logits: row.logits, spent: row.meter.total(), stopped: true };
      row.logits.push(tokenLogits(stepped!).slice());
    }
    return { logits: row.logits, spent: row.meter.total(), stopped: false };
  } finally {
    model.engine.release(row.slot);
  }
}

/** The tokens chosen after each given token. */
const choicesOf = ({ logits }: Ran): number[] => logits.slice(1).map((each) => each.indexOf(Math.max(...each)));

const host = async () => ({ sha256: await modelHash(model.source), config: model.decoder.config });

const exitsOf = ({ spent }: Ran): number => spent.work["exits"]?.run ?? 0;
const depthOf = ({ spent }: Ran): number => spent.work["layers"]!.run;

test.each(["dynamax:threshold=1,file=LINEAR", "dynamax:rule=random,rate=0", "sec:exit=1,stop=1,file=CONTROLLER"])(
  "%s is dense, bit for bit",
  async (text) => {
    const [dense, same] = [await run("dense"), await run(filled(text))];
    expect(same.logits).toEqual(dense.logits);
    expect(same.spent).toEqual(dense.spent);
  },
);

const filled = (text: string): string =>
  [
    ...[["LINEAR", linear] as const, ["CONTROLLER", controller] as const],
    ...[["CERTIFIED", certified] as const, ["OLDER", older] as const],
  ].reduce((all, [name, at]) => all.replace(name, at), text);

describe("dynamax", () => {
  test.each(["linear", "softmax-max", "softmax-margin", "entropy", "saturation"])(
    "%s: a lower threshold lets more tokens leave, on a given text that no exit changes",
    async (rule) => {
      const how = rule === "linear" ? `file=${linear}` : `rule=${rule}`;
      const thresholds = rule === "saturation" ? [0, 0.5, 0.9, 0.999] : [0, 0.05, 0.3, 0.6, 0.9];
      const runs: Ran[] = [];
      for (const threshold of thresholds)
        runs.push(await run(`dynamax:${how},threshold=${threshold},fill=recompute,from=2`));
      const exits = runs.map(exitsOf);
      expect(exits).toEqual(exits.toSorted((a, b) => b - a));
      expect(exits[0]).toBeGreaterThan(exits.at(-1)!);
      // The cosine of two streams is not billed as a product.
      for (const { spent } of runs) expect(spent.flops.overhead > 0).toBe(rule !== "saturation");
    },
  );

  test("a threshold of 0 leaves at the first exit, whose layers alone run", async () => {
    const ran = await run(`dynamax:file=${linear},threshold=0,from=2,fill=copy-kv`);
    expect(exitsOf(ran)).toBe(next.length);
    expect(depthOf(ran)).toBe(model.decoder.config.layers + 2 * next.length);
  });

  test("a risk runs the threshold that is certified for it, with fill=recompute", async () => {
    const [byRisk, byThreshold, laxer] = [
      await run(filled("dynamax:risk=0.05,file=CERTIFIED")),
      await run(filled("dynamax:threshold=0.6,fill=recompute,file=CERTIFIED")),
      await run(filled("dynamax:risk=0.1,file=CERTIFIED,fill=recompute")),
    ];
    expect(byRisk.logits).toEqual(byThreshold.logits);
    expect(exitsOf(byRisk)).toBeGreaterThan(0);
    expect(exitsOf(laxer)).toBeGreaterThan(exitsOf(byRisk));
  });

  test("what exits would lose while dense reads a text is what they lose when it is served", async () => {
    const exits = openExits(linear, await host());
    const watched = watchedText(exits, exits.metadata.deciders, prompt, next);
    await readTexts(model.engine, [{ ...watched, plan: planOf([watched.part]) }]);
    const dense = choicesOf(await run("dense"));
    const losses: number[] = [];
    for (const threshold of [0, 0.2, 0.4, 0.6, 0.8]) {
      const served = choicesOf(await run(`dynamax:threshold=${threshold},fill=recompute,file=${linear}`));
      losses.push(served.filter((token, i) => token !== dense[i]).length / next.length);
      expect(lossOf(watched.seen, 0, threshold)).toBe(losses.at(-1));
    }
    expect(new Set(losses).size).toBeGreaterThan(2);
  });

  test("calibration certifies thresholds on documents, each once, and leaves out what it cannot", async () => {
    const text = (i: number) => model.tokenizer.decode(ids(40, 7 * i));
    const texts = [...Array.from({ length: 40 }, (_, i) => text(i)), text(0), text(1).slice(0, 20)];
    const calibrated = (options: object) =>
      calibrate("a call", model, thresholdCalibration, texts, { options: { file: certified, ...options } });
    const { artefact, summary, use } = await calibrated({ risk: [0.1, 0.95], confidence: 0.9 });
    expect(use("OUT/exits.json")).toBe("dynamax:classifier=linear,risk=0.95,file=OUT");
    expect(summary).toMatch(/^40 documents; thresholds by risk: linear 0.1: none, 0.95: 0(\.\d+)?$/);
    const [found, ...others] = exitsFile.parse(artefact).deciders[0]!.thresholds!;
    // Earlier thresholds for the same form are replaced.
    expect(others).toEqual([]);
    expect(found).toMatchObject({ risk: 0.95, confidence: 0.9, fill: "recompute", quant: "f32", items: { count: 40 } });
    expect(found!.p).toBeLessThanOrEqual(0.1);
    expect(found!.mean).toBeLessThan(0.95);
    await expect(calibrated({ file: controller })).rejects.toThrow(/has no classifier/);
    const short = calibrate("a call", model, thresholdCalibration, ["a b"], { options: { file: certified } });
    await expect(short).rejects.toThrow("dynamax: expected documents of at least 32 tokens, got only shorter ones (1)");
  });

  test("thresholds that are certified for another form of the weights are refused, and stay when this form's are made", async () => {
    const file = JSON.parse(readFileSync(exitsJson(certified), "utf8"));
    for (const each of file.deciders[0].thresholds) each.quant = "q8";
    const other = path.join(folder, "q8");
    cpSync(certified, other, { recursive: true });
    writeFileSync(exitsJson(other), JSON.stringify(file));
    await expect(run(`dynamax:risk=0.05,file=${other}`)).rejects.toThrow(
      /certified while the model's weights ran in form q8, but they run in f32/,
    );
    const texts = [model.tokenizer.decode(ids(40))];
    const { artefact } = await calibrate("a call", model, thresholdCalibration, texts, { options: { file: other } });
    expect(exitsFile.parse(artefact).deciders[0]!.thresholds).toEqual(file.deciders[0].thresholds);
  });

  test("a rule that has run the exit's head does not run it again for the token", async () => {
    const [shared, trained] = [
      await run(`dynamax:rule=entropy,threshold=0,file=${linear}`),
      await run(`dynamax:rule=entropy,threshold=0,file=${norm}`),
    ];
    expect(exitsOf(trained)).toBe(next.length);
    expect(trained.spent.flops).toEqual(shared.spent.flops);
  });

  test("chance leaves with its rate, the same with the same seed, and never costs a probe", async () => {
    const [one, same, other] = [
      await run("dynamax:rule=random,rate=0.4,fill=copy-kv"),
      await run("dynamax:rule=random,rate=0.4,fill=copy-kv"),
      await run("dynamax:rule=random,rate=0.4,seed=1,fill=copy-kv"),
    ];
    expect(one.logits).toEqual(same.logits);
    expect(one.spent.flops.overhead).toBe(0);
    expect(exitsOf(one)).toBeGreaterThan(0);
    expect(exitsOf(one)).toBeLessThan(next.length);
    expect(other.logits).not.toEqual(one.logits);
  });

  test.each([
    ["dynamax", /dynamax: there are no trained exits for this model; `modicum savings train dynamax` makes some/],
    ["dynamax:file=CONTROLLER", /has no classifier linear, only controller/],
    ["dynamax:file=LINEAR,classifier=ffn", /has no classifier ffn, only linear/],
    ["dynamax:file=LINEAR,from=4", /there is no exit at or after layer 4; the last is after 3/],
    [
      "dynamax:risk=0.02,file=CERTIFIED",
      /certified has no threshold certified for risk=0.02 with classifier=linear; certified are 0.05 \(confidence 0.95\), 0.1 \(confidence 0.95\)$/,
    ],
    [
      "dynamax:risk=0.05,file=LINEAR",
      /linear has no threshold certified for risk=0.05 .*; `modicum savings calibrate dynamax` certifies thresholds$/,
    ],
    ["dynamax:risk=0.05,file=OLDER", /older has no threshold certified for risk=0.05 .*`modicum savings calibrate/],
    ["dynamax:risk=0.05,file=CERTIFIED,threshold=0.5", /threshold: expected none with risk=0.05, got 0.5/],
    ["dynamax:risk=0.05,file=CERTIFIED,fill=copy-kv", /fill: expected recompute with risk=0.05, got copy-kv/],
    ["dynamax:risk=0.05,rule=entropy", /rule: expected classifier with risk=0.05, got entropy/],
    ["dynamax:risk=0.05,file=CERTIFIED,from=2", /from: expected none with risk=0.05, got 2/],
    ["dynamax:risk=5", /risk: expected a number between 0 and 1, got 5/],
    ["dynamax:file=LINEAR,threshold=1.5", /threshold: expected a number between 0 and 1, got 1.5/],
    ["sec", /sec: there is no controller for this model; `modicum savings train sec` makes one/],
    ["sec:file=LINEAR", /has no controller/],
    ["sec:exit=2", /exit: expected a number between 0 and 1, got 2/],
  ])("%s is refused with a sentence", async (text, sentence) => {
    await expect(run(filled(text))).rejects.toThrow(sentence);
  });

  test("exits of another model, and a damaged file, are refused with a sentence", async () => {
    const other = path.join(folder, "other");
    await writeBoth("0".repeat(64));
    await expect(run(`dynamax:file=${linear}`)).rejects.toThrow(/exits are for world with SHA-256 000000000000…/);
    await writeBoth(await modelHash(model.source));
    await expect(run(`dynamax:file=${other}`)).rejects.toThrow(/exits\.json/);
    const tensors = exitsTensors(linear);
    const bytes = readFileSync(tensors);
    writeFileSync(tensors, bytes.subarray(0, 20));
    await expect(run(`dynamax:file=${linear},threshold=0.123`)).rejects.toThrow(/exits\.safetensors/);
    writeFileSync(tensors, bytes);
  });
});

test("a sparse prompt and early exits: what both save is the sum of what each saves", async () => {
  const sparse = "xattention:threshold=0.5,blockSize=4,stride=2,minLengthForSparse=8";
  const [dense, prompt, answer, both] = [
    await run("dense"),
    await run(sparse),
    await run("dynamax:rule=random,rate=0.6"),
    await run(sparse, "dynamax:rule=random,rate=0.6"),
  ];
  const saved = (ran: Ran) => dense.spent.flops.dense - ran.spent.flops.spent;
  // Scoring such a short prompt costs more than it saves.
  expect(saved(prompt)).not.toBe(0);
  expect(saved(answer)).toBeGreaterThan(0);
  expect(saved(both)).toBe(saved(prompt) + saved(answer));
  expect(both.spent.work).toEqual({ ...prompt.spent.work, ...answer.spent.work });
});

describe("sec", () => {
  test("the answer stops where the controller says so, and never before its first token", async () => {
    const whole = await run(`sec:file=${controller},exit=1,stop=0`);
    expect(whole.logits.length).toBeGreaterThanOrEqual(1);
    const laxer = await run(`sec:file=${controller},exit=1,stop=0.6`);
    expect(laxer.logits.length).toBeGreaterThanOrEqual(whole.logits.length);
    expect(laxer.logits.slice(0, whole.logits.length)).toEqual(whole.logits);
    expect([whole, laxer].some(({ stopped }) => stopped)).toBe(true);
  });

  test("a controller that finds no numbers neither stops nor exits: the logits are dense's", async () => {
    const [dense, none] = [await run("dense"), await run(`sec:file=${numb},exit=0,stop=0`)];
    for (const [i, logits] of none.logits.entries())
      for (const [k, value] of logits.entries()) expect(Math.abs(value - dense.logits[i]![k]!)).toBeLessThan(1e-4);
    expect(none.stopped).toBe(false);
    expect(none.logits).toHaveLength(dense.logits.length);
  });
});
