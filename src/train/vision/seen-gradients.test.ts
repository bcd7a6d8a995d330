import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { decoderArchitecture } from "../../models/registry.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Part } from "../../weights/prepared/part.ts";
import { fromFolder, Tokenizer } from "../../weights/tokenizer/index.ts";
import { downName, upName } from "../graphs/lora-weights.ts";
import { type TrainInput, trainOptions } from "../options.ts";
import { type OpenedRun, openRun } from "../session/open-run.ts";
import { Passes } from "../step/passes.ts";
import type { Base } from "../subject/subject.ts";

/** PyTorch's results in float64: tools/reference/vision_gradients.py. */
const names = ["gemma3-vision", "internvl", "qwen2-5-vl", "qwen3-vl", "qwen3-vl-moe"];
const fixtures = fileURLToPath(new URL("../../models/fixtures", import.meta.url));
const scratch = mkdtempSync(path.join(tmpdir(), "modicum-seen-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const norm = (values: Float32Array): number => Math.hypot(...values);
/** A key's bias never changes attention's output, so its gradient is only rounding noise. */
const LEAST = 0.01;
const apart = (a: Float32Array, b: Float32Array): number => norm(a.map((v, i) => v - b[i]!)) / Math.max(norm(b), LEAST);

describe.each(names)("%s", (name) => {
  const folder = path.join(fixtures, name);
  const reference = JSON.parse(readFileSync(path.join(folder, "seen-gradients.json"), "utf8"));
  const checkpoint = openCheckpoint(folder);
  const base: Base = { name: folder, checkpoint, tokenizer: new Tokenizer(fromFolder(folder)), prepared: scratch };
  const data = path.join(scratch, `${name}.jsonl`);
  const lines = reference.rows.map((row: { image: string }) => {
    return JSON.stringify({ ...row, image: path.join(fixtures, "pictures", row.image) });
  });
  writeFileSync(data, lines.join("\n"));
  const open = (more: Partial<TrainInput>): Promise<OpenedRun> => {
    const options = { model: folder, data, tokens: 112, batch: 2, validation: 0, ...more };
    return openRun(trainOptions.parse(options), scratch, async () => base);
  };
  const expected = openCheckpoint(path.join(folder, "seen-gradients.safetensors"));

  /** PyTorch's gradient of a weight; undefined if the fixture omits it. */
  async function torch(weight: string, shape: readonly number[]): Promise<Float32Array | undefined> {
    const place = (await decoderArchitecture(checkpoint)).tensors(checkpoint);
    const part = new Part(expected, place, weight, shape);
    if (!part.exists) return undefined;
    // A gain that is stored minus 1 has the same gradient.
    const stored = place(weight);
    const plus = typeof stored === "string" ? 0 : (stored.plus ?? 0);
    return part.floats().map((v) => v - plus);
  }

  /** Runs the two rows forward and backward; returns the loss and all gradients. */
  async function run({ subject, data: { training, encoded } }: OpenedRun) {
    const batch = training.batch(0);
    for (const [i, labels] of (reference.labels as number[][]).entries()) {
      const filled = [...labels, ...Array(batch.tokens - labels.length).fill(-1)].join();
      const row = [0, 1].find(
        (each) => batch.labels.subarray(each * batch.tokens, (each + 1) * batch.tokens).join() === filled,
      );
      const { prompt } = batch.seen![row!]!;
      expect(prompt.filter((id) => id >= 0)).toEqual(
        reference.ids[i].filter((_: number, at: number) => prompt[at]! >= 0),
      );
    }
    expect(encoded).toBeGreaterThan(0);
    const shape = { rows: 2, tokens: batch.tokens, packed: false };
    using passes = await Passes.create(subject.trainee, subject.store, shape, false);
    const loss = (await passes.train(batch, 1 / batch.labelled)) / batch.labelled;
    const gradients = new Float32Array(subject.store.gradients.memory);
    const of = ({ offset, shape: sizes }: { offset: number; shape: readonly number[] }) =>
      gradients.slice(offset, offset + sizes.reduce((all, n) => all * n, 1));
    return { loss, of };
  }

  test("loss and gradients of a decoder after a frozen image encoder equal PyTorch's", async () => {
    const opened = await open({});
    using store = opened.subject.store;
    const { loss, of } = await run(opened);
    expect(loss).toBeCloseTo(reference.loss, 4);
    let compared = 0;
    for (const parameter of store.parameters) {
      const wanted = await torch(parameter.name, parameter.shape);
      if (!wanted) continue;
      compared++;
      expect(apart(of(parameter), wanted), parameter.name).toBeLessThan(1e-4);
    }
    expect(compared).toBeGreaterThanOrEqual(25);
    expect(store.parameters.some(({ name: each }) => /^(v|mm)\b/.test(each))).toBe(false);
  });

  test("gradients of LoRA layers follow from PyTorch's", async () => {
    const opened = await open({ lora: { rank: 4, alpha: 8, targets: "q_proj,v_proj,o_proj" } });
    using store = opened.subject.store;
    const { loss, of } = await run(opened);
    expect(loss).toBeCloseTo(reference.loss, 4);
    let compared = 0;
    for (const up of store.parameters.filter((each) => each.name.endsWith(upName("")))) {
      const matrix = up.name.slice(0, -upName("").length);
      const down = store.parameter(downName(matrix));
      const [inputs, rank] = down.shape as [number, number];
      const outputs = up.shape[1]!;
      const whole = await torch(`${matrix}.weight`, [outputs, inputs]);
      if (!whole) continue;
      compared++;
      const factors = store.valuesOf(down);
      // The second factor is 0, so its gradient is alpha / rank · downᵀ · dWᵀ.
      const wanted = Float32Array.from({ length: rank * outputs }, (_, at) => {
        const [r, o] = [Math.floor(at / outputs), at % outputs];
        let sum = 0;
        for (let i = 0; i < inputs; i++) sum += factors[i * rank + r]! * whole[o * inputs + i]!;
        return (8 / 4) * sum;
      });
      expect(apart(of(up), wanted), matrix).toBeLessThan(1e-4);
    }
    expect(compared).toBe(6);
  });
});
