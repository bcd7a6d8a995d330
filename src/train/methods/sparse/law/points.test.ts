import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { trainOptions } from "../../../options.ts";
import { lawPoints } from "./points.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-points-"));
afterAll(() => rmSync(folder, { recursive: true }));

function runOf(name: string, work: object): string {
  const out = path.join(folder, name);
  mkdirSync(out);
  const steps = [
    { step: 1, loss: 4, tokens: 32, validation: 3.5 },
    { step: 2, loss: 3, tokens: 64, validation: 3.6 },
  ];
  writeFileSync(path.join(out, "run.json"), JSON.stringify(trainOptions.parse({ data: "text.txt" })));
  writeFileSync(path.join(out, "metrics.jsonl"), steps.map((step) => `${JSON.stringify(step)}\n`).join(""));
  writeFileSync(path.join(out, "receipt.json"), JSON.stringify({ steps: 2, flops: {}, ...work }));
  return out;
}

const file = (name: string, text: string): string => {
  writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
};

test("a run's point is its average size, its tokens and its last held-out loss; a file has one per line", () => {
  const run = runOf("run", { work: { parameters: { dense: 300, run: 250 } } });
  const lines = file("points.jsonl", '{"parameters": 5, "tokens": 6, "loss": 7}\n\n');
  expect(lawPoints([run, lines])).toEqual([
    { parameters: 125, tokens: 64, loss: 3.6 },
    { parameters: 5, tokens: 6, loss: 7 },
  ]);
});

test.each([
  [() => runOf("plain", {}), /plain: expected a finished run of the method sparse/],
  [() => file("bad.jsonl", '{"parameters": 5}\n'), /bad\.jsonl: line 1: "tokens": expected number, got nothing/],
  [() => file("worse.jsonl", "\nfive\n"), /worse\.jsonl: line 2: this is not JSON/],
  [() => path.join(folder, "none"), /none/],
])("invalid points are refused", (make, message) => {
  expect(() => lawPoints([make()])).toThrow(message);
});
