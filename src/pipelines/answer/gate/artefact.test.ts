import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CalibratedGate, findGate, type GateBinding, gateFiles, gatePath, keepGate } from "./artefact.ts";
import { gateTarget } from "./calibrate.ts";

const binding: GateBinding = {
  model: { name: "smollm2", sha256: "a".repeat(64), recipe: [], quant: "auto" },
  template: "b".repeat(64),
};
const gate: CalibratedGate = {
  method: "entropy",
  threshold: 1.5,
  target: gateTarget.parse({ rate: 0.5 }),
  data: { name: "questions.jsonl", sha256: "c".repeat(64), questions: 150 },
  measured: { rate: 0.5, accuracy: 0.4, always: 0.42, never: 0.2 },
};

async function gatesFile(...gates: CalibratedGate[]): Promise<{ home: string; file: string }> {
  const home = mkdtempSync(join(tmpdir(), "modicum-gates-"));
  const file = gatePath(binding, home);
  for (const one of gates) await keepGate(file, binding, one);
  return { home, file };
}

test("a gate is found by the model's hash, whatever the model's name", async () => {
  const { home } = await gatesFile(gate, { ...gate, method: "margin", threshold: 0.2 }, { ...gate, threshold: 1.25 });
  const files = gateFiles(home, []);
  const renamed = { ...binding, model: { ...binding.model, name: "./copy.gguf" } };
  expect(findGate(renamed, "margin", undefined, files)?.gate.threshold).toBe(0.2);
  // A second calibration of a method replaces the first.
  expect(findGate(binding, "entropy", undefined, files)?.gate.threshold).toBe(1.25);
  expect(findGate(binding, "energy", undefined, files)).toBeUndefined();
});

test("another model, form, recipe or template has no gate, and a named file is refused", async () => {
  const { home, file } = await gatesFile(gate);
  const { model, template } = binding;
  const others: GateBinding[] = [
    { model: { ...model, sha256: "d".repeat(64) }, template },
    { model: { ...model, quant: "q8" }, template },
    { model: { ...model, recipe: ["dynamax"] }, template },
    { model, template: "e".repeat(64) },
  ];
  for (const other of others) {
    expect(findGate(other, undefined, undefined, gateFiles(home, []))).toBeUndefined();
    expect(() => findGate(other, undefined, file)).toThrow(
      /was made for (smollm2 \(aaaa.*, but the|a different prompt)/,
    );
  }
});

test("a damaged file is refused and named", async () => {
  const { file } = await gatesFile(gate);
  writeFileSync(file, JSON.stringify({ ...binding, gates: [{ ...gate, method: "classifier" }] }));
  expect(() => findGate(binding, undefined, file)).toThrow(/gates.*expected weights/);
  writeFileSync(file, '{"model": ');
  expect(() => findGate(binding, undefined, file)).toThrow(/this is not JSON/);
});
