import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UserError } from "../../util/errors.ts";
import { keepState, latestState, removeStates, type TrainingState } from "./state.ts";

let run: string;
beforeEach(() => {
  run = mkdtempSync(path.join(tmpdir(), "modicum-state-"));
});
afterEach(() => rmSync(run, { recursive: true }));

const at = (step: number): TrainingState => ({
  ...{ step, counters: { samples: 8 * step, "loss.best": 0.1 + step }, config: { lr: 1e-3, data: ["a"] } },
  ...{ data: "abc", machine: { onnxruntime: "1.0", processor: "x64 avx2" } },
});
const buffers = (step: number) =>
  new Map([
    ["weights", { shape: [2, 2], values: () => Float32Array.of(step, 0.1, Number.NaN, -0) }],
    ["adamw.m", { shape: [1], values: () => Float32Array.of(1e-40) }],
    // Halves of a float64: the first has the bits of a signalling NaN.
    ["mask.logits", { shape: [2], values: () => new Float32Array(Uint32Array.of(0x7fa00001, 0x3fe00000).buffer) }],
  ]);
const keep = (step: number) => keepState(run, at(step), buffers(step));
const inside = (...names: string[]) => path.join(run, "checkpoints", ...names);

test("a stored state reads back, bit by bit", async () => {
  await keep(7);
  const { folder, damaged, buffer, ...state } = latestState(run)!;
  expect(state).toEqual(at(7));
  expect([folder, damaged]).toEqual([inside("step-7"), []]);
  const bits = (values: Float32Array) => Buffer.from(values.slice().buffer).toString("hex");
  for (const [name, { shape, values }] of buffers(7)) expect(bits(buffer(name, shape))).toBe(bits(values()));
});

test("a run without a state", () => {
  expect(latestState(run)).toBeUndefined();
});

test("the last two remain, whatever their number of digits, and no leftovers of a killed run", async () => {
  for (const step of [8, 9, 10]) await keep(step);
  mkdirSync(inside("step-11.0.part"));
  writeFileSync(inside("step-11.0.part", "state.json"), "{");
  expect(latestState(run)!.step).toBe(10);
  await keep(11);
  expect(readdirSync(inside()).toSorted()).toEqual(["step-10", "step-11"]);
});

test("later steps belong to an abandoned run and are removed", async () => {
  for (const step of [2, 8, 9]) await keep(step);
  await keep(3);
  expect(readdirSync(inside())).toEqual(["step-3"]);
  expect(latestState(run)!.step).toBe(3);
});

test("a run that starts over has none", async () => {
  await keep(2);
  await removeStates(run);
  await removeStates(run);
  expect(latestState(run)).toBeUndefined();
});

test("a state that is stored again replaces the old one", async () => {
  await keep(3);
  await keepState(run, { ...at(3), data: "other" }, buffers(3));
  expect(latestState(run)!.data).toBe("other");
});

test.each([
  ["a buffer is cut off", (folder: string) => truncateSync(path.join(folder, "state.safetensors"), 150)],
  ["the buffers are missing", (folder: string) => rmSync(path.join(folder, "state.safetensors"))],
  ["the counters are missing", (folder: string) => rmSync(path.join(folder, "state.json"))],
  ["the counters are empty", (folder: string) => writeFileSync(path.join(folder, "state.json"), "")],
  [
    "a buffer is of another shape",
    (folder: string) => {
      const file = path.join(folder, "state.json");
      writeFileSync(file, readFileSync(file, "utf8").replace('"weights"', '"weighs"'));
    },
  ],
])("%s: the previous state is used, with a notice", async (_, damage) => {
  await keep(1);
  await keep(2);
  damage(inside("step-2"));
  const { step, damaged } = latestState(run)!;
  expect(step).toBe(1);
  expect(damaged).toHaveLength(1);
  expect(damaged[0]).toContain("step-2");
  damage(inside("step-1"));
  expect(() => latestState(run)).toThrow(/every checkpoint is damaged: /);
});

test("a full disk: one sentence that says what remains, and nothing half-written", async () => {
  await keep(1);
  const full = () => {
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  const saving = keepState(run, at(2), new Map([...buffers(2), ["last", { shape: [1], values: full }]]));
  await expect(saving).rejects.toThrow(UserError);
  await expect(saving).rejects.toThrow(
    /step-2\/state.safetensors: the disk is full.*; the checkpoint of step 1 is intact$/,
  );
  expect(readdirSync(inside())).toEqual(["step-1"]);
  expect(latestState(run)!.step).toBe(1);
});
