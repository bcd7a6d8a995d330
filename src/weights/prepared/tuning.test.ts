/** Checks that exactly the measured models run in rotated bytes by default, with the measured results. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { rotatedLosses } from "./tuning.ts";

const MODELS = ["smollm2", "qwen2.5-coder", "qwen2.5-coder-1.5b", "gemma3"];

interface Report {
  readonly tokens: number;
  readonly forms: readonly {
    readonly form: string;
    readonly natsMore?: { readonly ci95: readonly [number, number] };
  }[];
}

const results = new URL("../../../research/forms/int8-prefill/rotated/", import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, results), "utf8");

/**
 * The hash of a model's weights, and an upper bound on the nats per token that it loses in rotated bytes compared with
 * its default form.
 */
function measured(model: string): [sha256: string, nats: number] {
  const lines = read(`${model}.jsonl`).trim().split("\n");
  const hashes = new Set(lines.map((line) => (JSON.parse(line) as { model: string }).model));
  expect(hashes.size).toBe(1);
  const { tokens, forms } = JSON.parse(read(`${model}.json`)) as Report;
  expect(tokens).toBe(16_352);
  const upper = forms.find(({ form }) => form === "rotated")!.natsMore!.ci95[1];
  return [[...hashes][0]!, Math.ceil(upper * 1e5) / 1e5];
}

test("the table of losses is what was measured, each within 0.005 nats", () => {
  expect(rotatedLosses).toEqual(Object.fromEntries(MODELS.map(measured)));
  expect(Math.max(...Object.values(rotatedLosses))).toBeLessThanOrEqual(0.005);
});
