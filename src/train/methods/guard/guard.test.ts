import { Buffer } from "node:buffer";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodePng } from "../../../engine/images/pixels/encode.ts";
import {
  estimateTraining,
  type GuardInput,
  maskTensors,
  type StepReport,
  train,
  trainGuard,
  trainSweep,
} from "../../../index.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { writeTensors } from "../../../weights/safetensors/write.ts";
import { latestState } from "../../checkpoint/state.ts";
import { ratiosOf, readMask } from "../../freeze/mask-file.ts";
import { readMetrics } from "../../session/metrics.ts";
import { maskFile } from "./guard.ts";
import { frozenOf } from "./learn.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-guard-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

/** A small network, whose programs compile fast. */
const network = at("network");
const architecture = {
  _class_name: "UNet2DModel",
  ...{ sample_size: 6, in_channels: 1, out_channels: 1, layers_per_block: 1, block_out_channels: [4] },
  ...{ down_block_types: ["DownBlock2D"], up_block_types: ["UpBlock2D"], norm_num_groups: 2, add_attention: false },
  ...{ num_class_embeds: 2, labels: ["a", "b"], scheduler: { num_train_timesteps: 20 } },
};

/** Writes random images of one class. */
async function drawings(file: string, label: string, count: number, seed: number, side = 6): Promise<string> {
  const random = seededRandom(seed);
  const lines = [];
  for (let i = 0; i < count; i++) {
    const data = Uint8Array.from({ length: side * side }, () => 256 * random());
    const png = await encodePng({ width: side, height: side, channels: 1, data });
    lines.push(JSON.stringify({ image: `data:image/png;base64,${Buffer.from(png).toString("base64")}`, label }));
  }
  writeFileSync(at(file), lines.join("\n"));
  return at(file);
}

const weightsOf = (model: string) => {
  const checkpoint = openCheckpoint(model);
  return new Map([...checkpoint.tensors].map(([name, tensor]) => [name, checkpoint.floats(tensor)]));
};

const short = { batch: 4, steps: 3, validation: 0, optimizer: { lr: 0.01 } };
let [a, b] = ["", ""];
beforeAll(async () => {
  a = await drawings("a.jsonl", "a", 6, 1);
  b = await drawings("b.jsonl", "b", 6, 2);
  await train({ ...short, architecture, data: [a, b], steps: 1 }, { out: network });
});

/** Checks that after a run the frozen tensors, and only these, have their original bytes. */
function expectKept(run: string, mask: string): void {
  const [before, after] = [weightsOf(network), weightsOf(run)];
  const { tensors } = readMask(mask);
  expect(after.size).toBe(Object.keys(tensors).length);
  for (const [name, values] of after)
    expect(Buffer.from(values.buffer).equals(Buffer.from(before.get(name)!.buffer)), name).toBe(tensors[name]!.frozen);
}

test("frozen tensors keep their bytes, the others move, and the optimiser holds only these", async () => {
  const mask = at("half.json");
  const { frozen } = await maskTensors(network, { freeze: ["*conv*", "time_embedding.*"], out: mask });
  const options = { ...short, model: network, data: [a, b], freezeMask: mask };
  const { receipt } = await train(options, { out: at("guarded") });
  expectKept(at("guarded"), mask);
  // If the optimiser held frozen tensors, decay and momentum would move them even without a gradient.
  const optimizer = { name: "sgd", lr: 0.01, momentum: 0.9, weightDecay: 0.5 } as const;
  const { receipt: plain } = await train({ ...options, optimizer }, { out: at("decayed") });
  expectKept(at("decayed"), mask);
  const size = receipt.work!["trainedParameters"]!.run;
  expect(plain.work!["trainingBytes"]!.run).toBe(8 * size);
  const { dense, run } = receipt.work!["trainedParameters"]!;
  expect(run / dense).toBeCloseTo(1 - frozen.parameters, 10);
  expect(receipt.work!["trainingBytes"]).toEqual({ dense: 12 * dense, run: 12 * run });
  expect(receipt.flops.saved).toBeGreaterThan(0);
  await maskTensors(network, { freeze: ["*conv*"], out: mask });
  const again = train(
    { ...short, model: network, data: [a, b], freezeMask: mask },
    { out: at("guarded"), reuse: "resume" },
  );
  await expect(again).rejects.toThrow(/the data or the mask differ/);
  const state = latestState(at("guarded"))!;
  // Each tensor starts at a multiple of 16 elements.
  const held = state.buffer("first", [readShape(at("guarded"))]).length;
  expect(held).toBeLessThan(run + 16 * weightsOf(network).size);
});

function readShape(run: string): number {
  const { folder: stateFolder } = latestState(run)!;
  return JSON.parse(readFileSync(path.join(stateFolder, "state.json"), "utf8")).buffers.first[0];
}

test("a learned mask is the same for the same seed, and records its data", async () => {
  const options = { model: network, illegal: a, innocent: b, relearnSteps: 3, steps: 6, batch: 4 };
  const first = await trainGuard(options, { out: at("one.json") });
  await trainGuard(options, { out: at("two.json") });
  expect(readFileSync(at("one.json"), "utf8")).toBe(readFileSync(at("two.json"), "utf8"));
  await trainGuard({ ...options, seed: 1 }, { out: at("three.json") });
  const [one, three] = [readMask(at("one.json")), readMask(at("three.json"))];
  expect(one.tensors).not.toEqual(three.tensors);
  expect(one.model.sha256).toBe(three.model.sha256);
  expect(first.frozen).toEqual(ratiosOf(one));
  expect(first.receipt).toMatchObject({ method: "guard", steps: 9, samples: 3 * 4 + 6 * 4 });
  await expect(trainGuard({ ...options, freezeRatio: 1.1 }, { out: at("x.json") })).rejects.toThrow(
    /freezeRatio: must be at most 1 \(got 1.1\)/,
  );
  const wide = await drawings("wide.jsonl", "a", 1, 3, 8);
  await expect(trainGuard({ ...options, illegal: wide }, { out: at("x.json") })).rejects.toThrow(
    /wide.jsonl: line 1: the image has 8 × 8 pixels, expected the network's 6 × 6/,
  );
  await expect(trainGuard({ ...options, userLr: 1e9, steps: 12 }, { out: at("x.json") })).rejects.toThrow(
    /^step \d+: the loss is (NaN|Infinity); check that the weights are finite, or use a smaller userLr$/,
  );
  await expect(trainGuard({ ...options, relearnSteps: 1e6 }, { out: at("gone/x.json") })).rejects.toThrow(
    /^cannot write .*gone.x\.json: a folder on its path cannot be created$/,
  );
  const other = await drawings("z.jsonl", "z", 1, 3);
  await expect(trainGuard({ ...options, illegal: other }, { out: at("x.json") })).rejects.toThrow(
    /z\.jsonl: line 1: label: expected one of "a", "b", got "z"/,
  );
});

test("a run that is stopped in any stage resumes there, and writes the same mask as the verb", async () => {
  const [verb, out] = [at("verb.json"), at("staged")];
  const learned = { illegal: a, relearnSteps: 4 };
  const { receipt: whole } = await trainGuard(
    { ...learned, model: network, innocent: b, steps: 5, batch: 4 },
    { out: verb },
  );
  const run = { method: { name: "guard", ...learned }, model: network, data: b, steps: 5, batch: 4 };
  const seen: string[] = [];
  const go = (reuse: "refuse" | "resume", stopAt?: number) => {
    const stop = new AbortController();
    const onStep = ({ stage, step }: StepReport) => {
      seen.push(`${stage} ${step}`);
      if (step === stopAt) stop.abort();
    };
    return train(run, { out, reuse, signal: stop.signal, onStep });
  };
  await expect(go("refuse", 2)).rejects.toThrow(/abort/);
  await expect(go("resume", 6)).rejects.toThrow(/abort/);
  expect(existsSync(maskFile(out))).toBe(false);
  const { receipt } = await go("resume");
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((step) => `${step <= 4 ? "relearn" : "masks"} ${step}`));
  expect(readFileSync(maskFile(out), "utf8")).toBe(readFileSync(verb, "utf8"));
  expect(receipt).toMatchObject({ method: "guard", model: network, steps: 9, samples: 36 });
  expect(readMetrics(out).map(({ loss }) => loss)).toEqual(readMetrics(`${verb}.run`).map(({ loss }) => loss));
  expect(JSON.parse(readFileSync(path.join(`${verb}.run`, "receipt.json"), "utf8"))).toEqual(whole);
  expect(latestState(`${verb}.run`, "masks")).toBeUndefined();
  await expect(train({ ...run, lora: {} }, { out: at("lora") })).rejects.toThrow(
    /^lora: the method guard trains its own kind of model; omit lora$/,
  );
});

test("a sweep counts the steps of both stages, and a run that is cut in the second can resume", async () => {
  const [batches, out] = [[2, 3], at("sweep")];
  const method = { name: "guard", illegal: a, relearnSteps: 12 };
  const run = { method, model: network, data: b, steps: 28 };
  const screened = { ...run, grid: { batch: batches }, screen: { mode: "paper", keep: 1 } } as const;
  const { runs, stopped, screen } = await trainSweep(screened, { out });
  expect(screen).toMatchObject({ mode: "paper", window: 0.5, ranking: { length: 2 }, cost: { planned: 0.75 } });
  expect(screen!.cost.flops).toBeGreaterThan(0.6);
  expect(screen!.cost.flops).toBeLessThan(0.9);
  const reason = "screened out at step 20 of 40 by its early loss and gradient norm";
  expect(stopped.map((each) => each.reason)).toEqual([reason]);
  expect(runs.map(({ steps, ended }) => [steps, ended])).toEqual([
    [40, "steps"],
    [20, "unfinished"],
  ]);
  expect(readMetrics(stopped[0]!.out).at(-1)).toMatchObject({ stage: "masks", step: 20 });
  expect(existsSync(maskFile(stopped[0]!.out))).toBe(false);
  const seen: number[] = [];
  const { screen: _, ...whole } = screened;
  await trainSweep(whole, { out, onStep: ({ step }) => seen.push(step) });
  expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => 21 + i));
  const batch = batches.find((size) => stopped[0]!.out.endsWith(`batch=${size}`))!;
  await train({ ...run, batch }, { out: at("unpaused") });
  expect(readFileSync(maskFile(stopped[0]!.out), "utf8")).toBe(readFileSync(maskFile(at("unpaused")), "utf8"));
});

test("the verb resumes only its own unfinished run", async () => {
  const out = at("again.json");
  const options = { model: network, illegal: a, innocent: b, relearnSteps: 3, steps: 6, batch: 4 };
  const steps: number[] = [];
  const go = (more: Partial<GuardInput>, stopAt?: number) => {
    const stop = new AbortController();
    const onStep = ({ step }: { step: number }) => {
      steps.push(step);
      if (step === stopAt) stop.abort();
    };
    return trainGuard({ ...options, ...more }, { out, signal: stop.signal, onStep });
  };
  await expect(go({}, 2)).rejects.toThrow(/abort/);
  await go({});
  expect(steps.splice(0)).toEqual([1, 2, 3, 4, 5, 6]);
  await expect(go({}, 2)).rejects.toThrow(/abort/);
  await go({ seed: 1 });
  expect(steps.splice(0)).toEqual([1, 2, 1, 2, 3, 4, 5, 6]);
  await expect(go({}, 2)).rejects.toThrow(/abort/);
  // Different images under the same name.
  await drawings("b.jsonl", "b", 6, 7);
  await go({});
  expect(steps).toEqual([1, 2, 1, 2, 3, 4, 5, 6]);
  await drawings("b.jsonl", "b", 6, 2);
});

test("an exact ratio freezes exactly that many tensors, those with the greatest shares", () => {
  const shares = new Map([
    ["a", 0.1],
    ["b", 0.9],
    ["c", 0.6],
    ["d", 0.4],
  ] as const);
  const names = (exactRatio: boolean, freezeRatio: number) => [...frozenOf(shares, { exactRatio, freezeRatio })];
  expect(names(false, 0.1)).toEqual(["b", "c"]);
  expect(names(true, 0.2)).toEqual(["b"]);
  expect(names(true, 0.75)).toEqual(["b", "c", "d"]);
});

test("a mask is bound to a model's values, whatever the order of its tensors", async () => {
  const mask = at("bound.json");
  await maskTensors(network, { freeze: ["conv_in.*"], out: mask });
  const run = { ...short, data: a, freezeMask: mask };
  const [turned, changed] = [at("turned"), at("changed")];
  for (const copy of [turned, changed]) {
    mkdirSync(copy);
    copyFileSync(path.join(network, "config.json"), path.join(copy, "config.json"));
  }
  const { tensors } = openCheckpoint(network);
  const stored = [...weightsOf(network)].map(
    ([name, values]) => [name, { shape: tensors.get(name)!.shape, values: () => values }] as const,
  );
  await writeTensors(path.join(turned, "model.safetensors"), new Map(stored.toReversed()));
  await estimateTraining({ ...run, model: turned });
  stored[0]![1].values()[0]! += 1e-3;
  await writeTensors(path.join(changed, "model.safetensors"), new Map(stored));
  await expect(estimateTraining({ ...run, model: changed })).rejects.toThrow(/this model's have [0-9a-f]{12}…/);
  await expect(estimateTraining({ ...run, model: fixture("unet-plain") })).rejects.toThrow(
    /the mask, made for .*network, does not fit this model: only one of them has /,
  );
  await expect(estimateTraining({ ...short, data: a, freezeMask: mask, architecture: {} })).rejects.toThrow(
    "freezeMask needs an existing model; set model",
  );
});

test("a decoder trains under a mask, without adapters on frozen matrices", async () => {
  const text = at("text.txt");
  writeFileSync(text, "abcdefgh ".repeat(60));
  const [model, mask] = [at("base"), at("decoder.json")];
  const sizes = {
    hidden_size: 32,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    rms_norm_eps: 1e-5,
  };
  const llama = { model_type: "llama", ...sizes, max_position_embeddings: 16 };
  const shape = { data: text, tokens: 8, batch: 2 };
  await train({ ...shape, architecture: llama, steps: 1 }, { out: model });
  await maskTensors(model, { freeze: ["blk.0.*", "token_embd*"], out: mask });
  const options = { ...shape, model, steps: 2, freezeMask: mask };
  const { receipt } = await train(options, { out: at("decoder") });
  expect(receipt.flops.saved).toBeGreaterThan(0);
  const [before, after] = [weightsOf(model), weightsOf(at("decoder"))];
  for (const [name, values] of after) {
    const frozen = /layers\.0\.|embed_tokens/.test(name);
    expect(Buffer.from(values.buffer).equals(Buffer.from(before.get(name)!.buffer)), name).toBe(frozen);
  }
  await expect(estimateTraining({ ...options, lora: { rank: 2 } })).rejects.toThrow(
    /^lora: the mask freezes "blk.0.attn_q", "blk.0.attn_v", but an adapter would change the effect of these matrices$/,
  );
  await maskTensors(model, { freeze: ["blk.0.attn_q.*"], out: mask });
  await expect(estimateTraining(options)).rejects.toThrow(/expected either all or none of them to be trained/);
});
