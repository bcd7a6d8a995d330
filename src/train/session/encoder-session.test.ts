import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { load } from "../../library/load.ts";
import { train } from "../../library/train.ts";
import type { TrainInput } from "../options.ts";
import { readMetrics } from "./metrics.ts";

const model = fileURLToPath(new URL("../../engine/fixtures/sentences", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-encoder-train-"));
afterAll(() => rmSync(folder, { recursive: true }));

const topics = { animals: ["a cat", "the dog", "one horse"], weather: ["rain", "the snow", "cold wind"] };
const deeds = ["is here", "was seen today", "comes back", "is gone for good"];
const texts = Object.entries(topics).flatMap(([label, things]) =>
  things.flatMap((thing) => deeds.map((deed) => ({ text: `${thing} ${deed}`, label }))),
);

function lines(name: string, records: readonly object[]): string {
  const file = path.join(folder, name);
  writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  return file;
}

const usual = (data: string): TrainInput => ({
  ...{ model, data, batch: 8, tokens: 32, steps: 40, evaluateEvery: 20, validation: 0.2 },
  ...{ optimizer: { lr: 5e-3, weightDecay: 0 }, schedule: { name: "constant" } },
});
const out = (name: string) => ({ out: path.join(folder, name) });

test("a classifier of a tiny encoder learns its classes, and is served", async () => {
  const call = out("classes");
  const { loss } = await train(usual(lines("classes.jsonl", texts)), call);
  expect(loss.last).toBeLessThan(0.1);
  expect(readMetrics(call.out).at(-1)!.accuracy).toBeGreaterThan(0.7);
  using served = await load(call.out);
  const { results } = await served.classify(texts.map(({ text }) => text));
  const right = texts.filter(({ label }, i) => results[i]!.label === label).length;
  expect(right / texts.length).toBeGreaterThan(0.9);
  const config = JSON.parse(readFileSync(path.join(call.out, "config.json"), "utf8"));
  expect(config).toMatchObject({
    architectures: ["DistilBertForSequenceClassification"],
    id2label: { 0: "animals", 1: "weather" },
  });
  // When trained further, a model keeps its classes, even if the data have only one class.
  const some = texts.filter(({ label }) => label === "weather");
  const further = { ...usual(lines("some.jsonl", some)), model: call.out, steps: 1, optimizer: { lr: 1e-9 } };
  const { loss: later } = await train(further, out("further"));
  expect(later.first).toBeLessThan(0.3);
});

test("LoRA layers and the head of a classifier learn, resume to the bit, and are served with their labels", async () => {
  const data = lines("lora.jsonl", texts);
  const options = { ...usual(data), lora: { rank: 4, targets: "q_lin,v_lin,lin1,lin2" } };
  const call = out("lora");
  const { loss } = await train(options, call);
  expect(loss.last).toBeLessThan(0.2);
  using served = await load(model, { adapter: call.out });
  const { results } = await served.classify(texts.map(({ text }) => text));
  const right = texts.filter(({ label }, i) => results[i]!.label === label).length;
  expect(right / texts.length).toBeGreaterThan(0.9);
  const controller = new AbortController();
  const onStep = ({ step }: { step: number }) => step === 7 && controller.abort();
  await expect(train(options, { ...out("lora-halves"), onStep, signal: controller.signal })).rejects.toThrow("abort");
  await train(options, { ...out("lora-halves"), reuse: "resume" });
  const weights = (of: string) => readFileSync(path.join(of, "adapter_model.safetensors")).toString("hex");
  expect(weights(out("lora-halves").out)).toBe(weights(call.out));
});

test("embeddings of queries approach their documents', and are served with the base's settings", async () => {
  const pairs = texts.map(({ text, label }) => ({ query: text, positive: label, negatives: ["nothing at all"] }));
  const call = out("embedding");
  await train(usual(lines("pairs.jsonl", pairs)), call);
  using served = await load(call.out);
  const { scores } = await served.relevance("the dog comes back", ["animals", "weather", "nothing at all"]);
  expect(Math.max(...scores)).toBe(scores[0]);
  const settings = (of: string) => readFileSync(path.join(of, "1_Pooling", "config.json"), "utf8");
  expect(settings(call.out)).toBe(settings(model));
});

test("a stopped run of a head resumes with the same losses to the last bit", async () => {
  const options = { ...usual(lines("resumed.jsonl", texts)), steps: 6, saveEvery: 2 };
  await train(options, out("whole"));
  const controller = new AbortController();
  const onStep = ({ step }: { step: number }) => step === 3 && controller.abort();
  await expect(train(options, { ...out("halves"), onStep, signal: controller.signal })).rejects.toThrow("abort");
  await train(options, { ...out("halves"), reuse: "resume" });
  const losses = (name: string) => readMetrics(out(name).out).map(({ loss, norm }) => [loss, norm]);
  expect(losses("halves")).toEqual(losses("whole"));
});

test.each<[string, readonly object[], Partial<TrainInput>, RegExp]>([
  [
    "no-label",
    [{ text: "a" }],
    {},
    /line 1: expected "text" and "label" to train a classifier, or "query" and "positive"/,
  ],
  ["one-label", texts.slice(0, 3), {}, /all texts have the label "animals", expected at least two labels/],
  [
    "mixed",
    [...texts.slice(0, 2), { query: "a", positive: "b" }],
    {},
    /line 3: expected "text" and "label" to train a classifier, got "query" and "positive"/,
  ],
  ["lm", texts, { head: "lm" }, /is an encoder, expected classes or embedding, got lm/],
  [
    "dropout",
    texts,
    { lora: { targets: "q_lin", lora_dropout: 0.1 } },
    /lora.lora_dropout: .* is an encoder, which is trained without dropout; expected 0/,
  ],
  ["packing", texts, { packing: true }, /packing: encoders already run without padding/],
])("%s: refused with a sentence", async (name, records, options, expected) => {
  await expect(train({ ...usual(lines(`${name}.jsonl`, records)), ...options }, out(name))).rejects.toThrow(expected);
});
