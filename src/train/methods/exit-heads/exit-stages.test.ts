import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LanguageModel } from "../../../engine/decode/language-model.ts";
import { Graph } from "../../../graph/index.ts";
import { load, trainExits, train as trainRun } from "../../../index.ts";
import { exitsJson, exitsTensors, openExits } from "../../../savings/depth/exits/artefact.ts";
import { UserError } from "../../../util/errors.ts";
import { seededRandom } from "../../../util/random.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { receiptFile } from "../../session/folder.ts";
import { readMetrics } from "../../session/metrics.ts";
import type { TrainingReceipt } from "../../session/receipt.ts";
import { runSession, type Session } from "../../session/session.ts";
import { completeOptions, withMethod } from "../complete.ts";
import { exitLayers } from "./exit-plan.ts";
import { exitStages, type TrainedExits } from "./exit-stages.ts";
import { type ExitTrainOptions, exitTrainOptions } from "./options.ts";
import type { CollectTerms, Progress } from "./states/collect.ts";
import { writeExits } from "./write.ts";

const fixture = fileURLToPath(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
const home = mkdtempSync(path.join(tmpdir(), "modicum-test-"));
const before = process.env["MODICUM_HOME"];
const file = path.join(home, "llama-tiny.gguf");
const out = path.join(home, "exits");

const random = seededRandom(3);
const word = () => Array.from({ length: 5 }, () => "abcdefgh"[Math.floor(random() * 8)]).join("");
const documents = Array.from({ length: 12 }, () => Array.from({ length: 90 }, word).join(" "));

let model: LanguageModel;
let trained: TrainedExits;
/** Trains exits as a run in a folder; resumes an unfinished run. */
async function trainIn(
  folder: string,
  saving: "dynamax" | "sec",
  options: ExitTrainOptions,
  texts = documents,
  terms: CollectTerms = {},
): Promise<TrainedExits> {
  const found: TrainedExits[] = [];
  const training = { model, quant: "f32", saving, options, data: { name: "words", documents: texts } } as const;
  const session: Session = {
    options: completeOptions({ ...withMethod("exit-heads", { ...options, saving }), data: "words" }),
    ...{ out: folder, reuse: "unfinished" },
    async *stages(run) {
      found.push(yield* exitStages(training, { ...run, ...terms }));
    },
  };
  const noBase = () => Promise.reject(new Error("the model is loaded"));
  await runSession(session, noBase, {}, terms.signal);
  return found[0]!;
}

const tiny = {
  ...{ hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 1 },
  ...{ rms_norm_eps: 1e-5, max_position_embeddings: 16 },
};

let runs = 0;
const train = (
  saving: "dynamax" | "sec",
  options: object,
  texts = documents,
  onStage: (stage: string) => void = () => {},
) => {
  const all = exitTrainOptions.parse({ from: 1, block: 32, deciderEpochs: 1, ...options });
  const onProgress = ({ stage }: Progress) => onStage(stage);
  return trainIn(path.join(home, `run-${runs++}`), saving, all, texts, { onProgress });
};

beforeAll(async () => {
  process.env["MODICUM_HOME"] = home;
  copyFileSync(fixture, file);
  model = await LanguageModel.load(await resolveModel(file), "f32");
  trained = await train("dynamax", { head: "adapter", rank: 4, decider: ["linear", "ffn", "mamba"], topK: 3 });
  await writeExits(out, trained);
});
afterAll(() => {
  model[Symbol.dispose]();
  if (before === undefined) delete process.env["MODICUM_HOME"];
  else process.env["MODICUM_HOME"] = before;
  rmSync(home, { recursive: true, force: true });
});

const host = () => ({ sha256: trained.metadata.model.sha256, config: model.decoder.config });

test("heads and classifiers are trained, and the model's file is unchanged", () => {
  const { metadata, weights } = trained;
  expect(metadata).toMatchObject({ saving: "dynamax", layers: [1], head: { mode: "adapter", rank: 4 } });
  expect(metadata.deciders.map(({ kind, topK }) => [kind, topK])).toEqual([
    ["linear", 3],
    ["ffn", 3],
    ["mamba", 3],
  ]);
  expect(weights.get("head.1.up")!.values.some((value) => value !== 0)).toBe(true);
  expect(weights.get("head.1.gain")!.values.some((value) => value !== 1)).toBe(true);
  expect([...weights.keys()].filter((name) => !/^(head|linear|ffn|mamba)\.1\./.test(name))).toEqual([]);
  expect(readFileSync(file).equals(readFileSync(fixture))).toBe(true);
});

test("an exit's measures are shares, the whole model's come last", () => {
  const { right, agree, neverRight } = trained.metadata.measured;
  expect([right.length, agree.length]).toEqual([2, 2]);
  expect(agree[1]).toBe(1);
  expect(neverRight).toBeLessThanOrEqual(1 - Math.max(...right));
  expect(trained.metadata.deciders[0]!.measured[0]!.positiveRate).toBeGreaterThanOrEqual(agree[0]!);
});

test("written exits read back: heads in half precision, classifiers as they are", () => {
  const exits = openExits(out, host());
  expect(exits.metadata).toEqual(trained.metadata);
  const g = new Graph();
  const weightsOf = exits.weightsOf(g);
  for (const [name, { shape, values }] of trained.weights) {
    weightsOf(name, shape);
    const { data } = g.constants.find((constant) => constant.name === name)!;
    const read = new Float32Array((data as { bytes: Uint8Array<ArrayBuffer> }).bytes.buffer);
    for (const [i, value] of values.entries())
      expect(Math.abs(read[i]! - value)).toBeLessThanOrEqual(
        name.startsWith("head.") ? 1e-3 * Math.abs(value) + 1e-7 : 0,
      );
  }
  expect(() => weightsOf("head.1.up", [64, 5])).toThrow(/tensor "head.1.up" is \[64,4\], expected \[64,5\]/);
  expect(() => weightsOf("head.9.up", [64, 4])).toThrow(/there is no tensor "head.9.up"/);
});

test("exits of another model, and damaged ones, are refused in one sentence", () => {
  const refusal = (use: () => unknown) => {
    try {
      use();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      return (error as Error).message;
    }
    throw new Error("nothing was refused");
  };
  expect(refusal(() => openExits(out, { ...host(), sha256: "b".repeat(64) }))).toMatch(/the exits are for .* but this/);
  expect(refusal(() => openExits(path.join(home, "none"), host()))).toMatch(/there is no such file/);
  const damaged = path.join(home, "damaged");
  return writeExits(damaged, trained).then(() => {
    truncateSync(exitsTensors(damaged), 500);
    expect(refusal(() => openExits(damaged, host()))).toMatch(/exits\.safetensors: /);
    writeFileSync(exitsJson(damaged), "{}");
    expect(refusal(() => openExits(damaged, host()))).toMatch(/exits\.json: "model"/);
  });
});

test("heads with the same settings are reused, and others are trained", async () => {
  const stages = async (options: object) => {
    const seen = new Set<string>();
    const result = await train("dynamax", { head: "adapter", rank: 4, ...options }, documents, (stage) =>
      seen.add(stage),
    );
    return { made: result, seen: [...seen] };
  };
  const again = await stages({ topK: 1, labels: "shuffled" });
  expect(again.seen).toEqual(["linear after layer 1"]);
  expect(again.made.weights.get("head.1.up")!.values).toEqual(trained.weights.get("head.1.up")!.values);
  expect(again.made.metadata.measured).toEqual(trained.metadata.measured);
  expect((await stages({ headRate: 1e-2 })).seen).toContain("head after layer 1");
});

test("a call that is stopped at any stage resumes there, repeats no step, and gives the same exits", async () => {
  const options = exitTrainOptions.parse({ from: 1, block: 32, deciderEpochs: 2, seed: 5, head: "adapter", rank: 4 });
  const seen: string[] = [];
  const [once, often] = [path.join(home, "once"), path.join(home, "often")];
  const run = (folder: string, stopAt?: string) => {
    const stop = new AbortController();
    const onProgress = ({ stage, done }: Progress) => {
      seen.push(`${stage} ${done}`);
      if (done > 1 && stage === stopAt) stop.abort();
    };
    return trainIn(folder, "dynamax", options, documents, { signal: stop.signal, onProgress });
  };
  const states = path.join(home, "states");
  rmSync(states, { recursive: true });
  const whole = await run(once);
  const steps = seen.splice(0).filter((step) => !step.startsWith("guesses"));
  rmSync(states, { recursive: true });
  for (const stage of ["states", "head after layer 1", "guesses after layer 1", "linear after layer 1"])
    await expect(run(often, stage)).rejects.toThrow("abort");
  expect(await run(often)).toEqual(whole);
  expect(seen.filter((step) => !step.startsWith("guesses"))).toEqual(steps);
  const [one, other] = [readMetrics(once), readMetrics(often)];
  const counted = one.map(({ ms: _, ...report }) => report);
  expect(counted.map(({ stage }) => stage)).toEqual([...counted.map(({ stage }) => stage)].sort());
  expect(other.map(({ ms: _, ...report }) => report)).toEqual(counted);
  const [{ id: _a, ms: _b, ...bill }, { id: _c, ms: _d, ...resumed }] = [once, often].map(
    (folder) => JSON.parse(readFileSync(receiptFile(folder), "utf8")) as TrainingReceipt,
  ) as [TrainingReceipt, TrainingReceipt];
  expect(resumed).toMatchObject({ method: "exit-heads", steps: bill.steps, tokens: bill.tokens });
});

test("a run of the method on files writes the same exits as the function", async () => {
  const [texts, folder, called] = ["texts.jsonl", "by-method", "by-function"].map((name) => path.join(home, name));
  writeFileSync(texts!, documents.map((text) => JSON.stringify({ text })).join("\n"));
  const own = { from: 1, block: 32, deciderEpochs: 1 };
  const run = {
    method: { name: "exit-heads", saving: "dynamax", ...own },
    model: file,
    quant: "f32",
    data: texts!,
  } as const;
  const { receipt, head } = await trainRun(run, { out: folder! });
  expect(head).toBe("own");
  expect(receipt).toMatchObject({ method: "exit-heads", model: file, flops: { saved: 0, overhead: 0 } });
  using loaded = await load(file, { quant: "f32" });
  await trainExits(loaded, "dynamax", documents, called!, { ...own, quant: "f32", data: "texts.jsonl" });
  for (const file of [exitsJson, exitsTensors])
    expect(readFileSync(file(folder!)).equals(readFileSync(file(called!)))).toBe(true);
  const cached = JSON.parse(readFileSync(receiptFile(called!), "utf8")) as TrainingReceipt;
  expect(cached.steps).toBeLessThan(receipt.steps);
  expect(cached.flops.forward).toBeLessThan(receipt.flops.forward / 2);
  expect(cached.flops.forward).toBeGreaterThan(cached.flops.backward);
  expect(existsSync(path.join(called!, "checkpoints"))).toBe(false);
  const other = path.join(home, "other");
  const text = path.join(home, "text.txt");
  writeFileSync(text, documents[0]!);
  await trainRun({ architecture: { model_type: "llama", ...tiny }, data: text, steps: 1, tokens: 8 }, { out: other });
  await expect(trainExits(loaded, "dynamax", documents, other, { ...own, quant: "f32" })).rejects.toThrow(
    /other holds a different training run; use a different --out$/,
  );
  await expect(trainRun({ ...run, model: undefined }, { out: path.join(home, "none") })).rejects.toThrow(
    "model: expected the model whose exits to train",
  );
  await expect(trainRun({ ...run, steps: 3 }, { out: path.join(home, "none") })).rejects.toThrow(
    "steps: expected headEpochs and deciderEpochs in the method",
  );
});

test("sec trains separate heads on the text and one controller", async () => {
  const { metadata, weights } = await train("sec", { head: "separate", headEpochs: 4 });
  expect(metadata.deciders.map(({ kind, topK }) => [kind, topK])).toEqual([["controller", 0]]);
  expect(weights.get("head.1.weight")!.shape).toEqual([64, 64]);
  expect(weights.get("controller.weight")!.shape).toEqual([3, 64]);
  expect(metadata.deciders[0]!.measured[0]!.stop!.positiveRate).toBeCloseTo(metadata.measured.neverRight, 9);
  // Texts are random letters and blanks, on which an untrained head is right once in 64 tokens.
  expect(metadata.measured.right[0]).toBeGreaterThan(0.1);
});

test("missing layers and texts that are too short are refused in one sentence", async () => {
  expect(exitLayers({ every: 4 }, 30)).toEqual([15, 19, 23, 27]);
  expect(exitLayers({ from: 1, every: 3 }, 8)).toEqual([1, 4, 7]);
  await expect(train("sec", { from: 2 })).rejects.toThrow("from: the model has 2 layers, expected 1 to 1");
  await expect(train("sec", {}, ["a b", "c d", "e f"])).rejects.toThrow(/too little data: expected at least 33/);
});
