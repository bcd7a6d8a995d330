import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { ConfigSource } from "../../../weights/checkpoint.ts";
import { Metadata } from "../../../weights/gguf/metadata.ts";
import { aliases } from "../../../weights/sources/index.ts";
import { published, samplingOf, saysHowToDraw } from "./defaults.ts";
import { samplingOptions } from "./options.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-sampling-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, "generation_config.json");

const huggingface: ConfigSource = { kind: "huggingface", path: path.join(folder, "config.json"), config: {} };
function settings(fields: object) {
  writeFileSync(file, JSON.stringify(fields));
  return samplingOf(huggingface, undefined)?.settings;
}

describe("generation_config.json", () => {
  test.each([
    [
      { do_sample: true, temperature: 0.6, top_p: 0.9 },
      { temperature: 0.6, topP: 0.9 },
    ],
    [
      { do_sample: true, top_k: 64, top_p: 0.95 },
      { temperature: 1, topK: 64, topP: 0.95 },
    ],
    [
      { temperature: 0.7, min_p: 0.05 },
      { temperature: 0.7, minP: 0.05 },
    ],
    [
      { top_p: 0.8, top_k: -1, repetition_penalty: 1.1 },
      { temperature: 1, topK: 0, topP: 0.8, repetitionPenalty: 1.1 },
    ],
    [
      { do_sample: false, temperature: 0.6, top_k: 20, repetition_penalty: 1.05 },
      { temperature: 0, repetitionPenalty: 1.05 },
    ],
    [{ repetition_penalty: 1.2 }, { repetitionPenalty: 1.2 }],
    [{ eos_token_id: [1, 2], top_k: null, temperature: null }, undefined],
  ])("%j means %j", (fields, expected) => expect(settings(fields)).toEqual(expected));

  test("is named as the source, and so is a setting that is out of range", () => {
    settings({ temperature: 0.5 });
    expect(samplingOf(huggingface, undefined)?.from).toBe(file);
    expect(() => settings({ temperature: "warm" })).toThrow(`${file}: "temperature": expected number, got "warm"`);
    expect(() => settings({ top_p: 1.5 })).toThrow(/generation_config\.json: "top_p": .*got 1\.5/);
  });

  test("need not be there", () => {
    rmSync(file);
    expect(samplingOf(huggingface, undefined)).toBeUndefined();
  });
});

test("a GGUF's general.sampling keys, whose float32 is rounded", () => {
  const metadata = new Metadata("model.gguf");
  const gguf: ConfigSource = { kind: "gguf", path: "model.gguf", metadata };
  expect(samplingOf(gguf, undefined)).toBeUndefined();
  const fields = {
    temp: Math.fround(0.7),
    top_k: 20,
    top_p: Math.fround(0.8),
    min_p: 0,
    penalty_repeat: Math.fround(1.05),
  };
  for (const [key, value] of Object.entries(fields)) metadata.set(`general.sampling.${key}`, value);
  expect(samplingOf(gguf, "ab")).toEqual({
    settings: { temperature: 0.7, topK: 20, topP: 0.8, minP: 0, repetitionPenalty: 1.05 },
    from: "model.gguf",
  });
});

test("an alias' file is known by its hash, whatever it is called", () => {
  const gguf: ConfigSource = { kind: "gguf", path: "any.gguf", metadata: new Metadata("any.gguf") };
  for (const [name, sampling] of Object.entries(published)) {
    expect(samplingOf(gguf, aliases[name]!.files[0]!.sha256)).toBe(sampling);
    expect(samplingOptions.parse(sampling.settings)).toMatchObject(sampling.settings);
  }
});

test("who gives a seed, biases or log-probabilities does not say how tokens are drawn", () => {
  expect(saysHowToDraw({ seed: 1, logitBias: { 1: 5 }, logprobs: 2, temperature: undefined })).toBe(false);
  for (const options of [{ temperature: 0 }, { topK: 0 }, { topP: 1 }, { minP: 0 }, { presencePenalty: 0 }])
    expect(saysHowToDraw(options)).toBe(true);
});
