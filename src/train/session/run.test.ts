import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { textData } from "../data/text.ts";
import { trainOptions } from "../options.ts";
import { oldSubject } from "../subject/subject.ts";
import { TrainingRun } from "./run.ts";

const folder = path.join(import.meta.dirname, "../fixtures", "shakespeare");

test("fifty losses and gradient norms on tiny Shakespeare equal PyTorch's", async () => {
  const text = readFileSync(path.join(folder, "text.txt"), "utf8");
  const reference = JSON.parse(readFileSync(path.join(folder, "losses.json"), "utf8"));
  const characters = [...new Set(text)].sort();
  const ids = Int32Array.from(text, (character) => characters.indexOf(character));
  const options = trainOptions.parse({
    ...{ data: "text.txt", steps: 50, optimizer: { lr: 3e-3 }, schedule: { name: "cosine", warmup: 5, minimum: 0.1 } },
  });
  const data = { training: textData(ids, { rows: 4, tokens: 32 }), heldOut: undefined, hash: "" };
  using run = await TrainingRun.open(options, await oldSubject(options, openCheckpoint(folder)), data);
  const far: string[] = [];
  for (let step = 0; step < 50; step++) {
    const { loss, norm } = await run.step();
    if (Math.abs(loss - reference.losses[step]) > 1e-4)
      far.push(`loss ${step}: ${loss}, not ${reference.losses[step]}`);
    if (Math.abs(norm / reference.norms[step] - 1) > 1e-3)
      far.push(`norm ${step}: ${norm}, not ${reference.norms[step]}`);
  }
  expect(far).toEqual([]);
  expect(reference.losses.at(-1)).toBeLessThan(reference.losses[0] - 0.5);
});

test("ema averages the weights after each step, is evaluated and written, and leaves training as it is", async () => {
  const ids = Int32Array.from({ length: 400 }, (_, i) => (i * i) % 17);
  const training = textData(ids, { rows: 2, tokens: 32 });
  const data = { training, heldOut: training, hash: "" };
  const plain = trainOptions.parse({ data: "text.txt", steps: 3, optimizer: { lr: 1e-2 }, evaluateEvery: 1 });
  const open = async (options: typeof plain) =>
    TrainingRun.open(options, await oldSubject(options, openCheckpoint(folder)), data);
  using run = await open({ ...plain, ema: 0.75 });
  using without = await open(plain);
  const { values, ema } = run.states as Record<"values" | "ema", Float32Array>;
  let average = [...values];
  for (let step = 0; step < 3; step++) {
    const [report, other] = [await run.step(), await without.step()];
    expect(report.loss).toBe(other.loss);
    expect(report.validation).not.toBe(other.validation);
    average = average.map((before, i) => 0.75 * before + 0.25 * values[i]!);
    const far = average.reduce((most, value, i) => Math.max(most, Math.abs(value - ema[i]!)), 0);
    expect(far).toBeLessThan(1e-6);
    if (step === 2) {
      run.useBest();
      expect(values).toEqual(ema);
      expect(await run.stage.evaluate!()).toEqual({ validation: report.validation });
    }
  }
});
