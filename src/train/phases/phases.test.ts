import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { Tokenizer } from "../../weights/tokenizer/index.ts";
import { byteSource } from "../../weights/tokenizer/tokenizer.testing.ts";
import { latestState } from "../checkpoint/state.ts";
import { openData } from "../data/open.ts";
import { readMetrics } from "../session/metrics.ts";
import { phasesOf } from "./options.ts";
import { runPhases } from "./phases.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-phases-"));
afterAll(() => rmSync(folder, { recursive: true }));

function samples(name: string, count: number): string {
  const file = path.join(folder, `${name}.jsonl`);
  writeFileSync(file, Array.from({ length: count }, (_, i) => `${JSON.stringify({ text: `${name}${i}` })}\n`).join(""));
  return file;
}
const [a, b] = [samples("a", 20), samples("b", 12)];

const common = {
  architecture: {
    ...{ model_type: "llama", hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 },
    ...{ intermediate_size: 16, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
  },
  ...{ tokenizer: "bytes", tokens: 16, batch: 4, epochs: 2, validation: 0, saveEvery: 1 },
  ...{ optimizer: { lr: 1e-2 }, schedule: { name: "constant" } },
};
const phases = [{ data: a }, { data: b, replay: 0.1, optimizer: { lr: 3e-3 } }];
const call = (name: string, changed: object = {}) => ({
  ...{ phases: { ...common, ...changed, phases }, out: path.join(folder, name) },
});
const noBase = () => Promise.reject(new Error("there is no base"));
const openFolder = async (model: string) => {
  const { openBase } = await import("../../library/train.ts");
  return openBase(model, {});
};

test("each phase starts from the last one's weights with a new optimiser; a stopped phase resumes", async () => {
  const whole = await runPhases(call("whole"), openFolder, {});
  // Two epochs of 20 samples, then two epochs of 12 samples and 2 replayed ones.
  expect([whole.samples, whole.runs.map((run) => run.samples)]).toEqual([68, [40, 28]]);
  const controller = new AbortController();
  const seen: string[] = [];
  const events = {
    onRun: ({ name, index, of }: { name: string; index: number; of: number }) => seen.push(`${name} ${index}/${of}`),
    onStep: ({ step }: { step: number }) => {
      seen.push(`${step}`);
      if (seen.length === 14) controller.abort();
    },
  };
  await expect(runPhases(call("halves"), openFolder, events, controller.signal)).rejects.toThrow("abort");
  expect(seen.slice(9)).toEqual(["9", "10", "phase-2 2/2", "1", "2"]);
  const halves = await runPhases(call("halves"), openFolder, {});
  const weights = (out: string) => readFileSync(path.join(out, "model.safetensors")).toString("hex");
  expect(weights(halves.last)).toBe(weights(whole.last));
});

test("weights carry over, and the optimiser's counters do not", async () => {
  const still = [{ data: a }, { data: b, optimizer: { lr: 1e-30, weightDecay: 0 } }];
  const { last } = await runPhases(
    { phases: { ...common, phases: still }, out: path.join(folder, "still") },
    openFolder,
    {},
  );
  const weights = (out: string) => readFileSync(path.join(out, "model.safetensors")).toString("hex");
  expect(weights(last)).toBe(weights(path.join(folder, "still", "phase-1")));
  expect(readMetrics(last)[0]).toMatchObject({ step: 1, steps: 6, rate: 1e-30, samples: 4 });
  expect(latestState(last)!.counters["updates"]).toBe(6);
});

test("phases and all data at once read the same samples equally often", () => {
  const tokenizer = new Tokenizer(byteSource(["</s>"], { eos: 256 }));
  const rowsOf = (files: readonly string[], seed: number): string[] => {
    const options = { files, validation: 0, tokens: 8, rows: 4, packing: false, labels: "answers" as const };
    const { training } = openData(options, tokenizer, seed);
    const batches = Array.from({ length: 2 * training.batches }, (_, i) => training.batch(i));
    return batches.flatMap(({ ids, samples }) =>
      Array.from({ length: samples }, (_, row) => ids.slice(8 * row, 8 * row + 8).join()),
    );
  };
  const [stacked, phased] = [rowsOf([a, b], 1), [...rowsOf([a], 2), ...rowsOf([b], 3)]];
  expect(stacked).toHaveLength(64);
  expect(stacked.toSorted()).toEqual(phased.toSorted());
  expect(stacked.slice(0, 20).toSorted()).not.toEqual(phased.slice(0, 20).toSorted());
});

test("replayed samples are lines of the earlier phases, each once", () => {
  const again = readFileSync(path.join(folder, "whole", "phase-2.replay.jsonl"), "utf8")
    .trim()
    .split("\n");
  const earlier = readFileSync(a, "utf8").trim().split("\n");
  expect(again).toHaveLength(2);
  expect(new Set(again).size).toBe(2);
  expect(earlier).toEqual(expect.arrayContaining(again));
});

test("the best evaluation's weights carry over if data are held out, unless the last are requested", () => {
  const [first, second] = phasesOf({ ...common, validation: 0.2, phases: [{ data: a }, { data: b, select: "last" }] });
  expect([first!.options.keepBest, second!.options.keepBest]).toEqual([true, false]);
  expect(phasesOf({ ...common, phases }).map(({ options }) => options.keepBest)).toEqual([false, false]);
});

test.each([
  [{ ...common, phases: [{ data: a }] }, '"phases": '],
  [{ ...common, phases: [{ data: a }, { data: b, lora: { rank: 4 } }] }, "phase 2: all phases need the same lora"],
  [{ ...common, phases: [{ data: a }, { data: b, batch: 0 }] }, 'phase 2: "batch": '],
  [{ ...common, phases: [{ data: a }, { data: b, replay: 2 }] }, '"phases.1.replay": must be at most 1 (got 2)'],
])("bad phases %#: one sentence, and nothing begins", async (value, sentence) => {
  const out = path.join(folder, "none");
  await expect(runPhases({ phases: value, out }, noBase, {})).rejects.toThrow(sentence);
  expect(existsSync(out)).toBe(false);
});

test("a text has no samples to replay", async () => {
  const text = path.join(folder, "text.txt");
  writeFileSync(text, "It is the small things, done every day. ".repeat(9));
  const options = { ...common, steps: 1, phases: [{ data: text }, { data: b, replay: 0.1 }] };
  await expect(runPhases({ phases: options, out: path.join(folder, "text") }, openFolder, {})).rejects.toThrow(
    /^replay: only \.jsonl files can be replayed, got .*text\.txt/,
  );
});

test("a phase with other options is refused", async () => {
  await expect(runPhases(call("whole", { clip: 2 }), openFolder, {})).rejects.toThrow(/phase-1: .* clip: 2, was 1/);
});
