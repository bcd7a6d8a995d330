import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { estimateTraining, train } from "../../../index.ts";
import { openBase } from "../../../library/train.ts";
import { checkOptions } from "../../session/dry-run.ts";
import { readMetrics } from "../../session/metrics.ts";
import { pauseSession, runSession } from "../../session/session.ts";
import { completeOptions } from "../complete.ts";
import { StateCache } from "./states/cache.ts";
import { tinyModel } from "./tiny-model.testing.ts";

const { home, file, textsOf } = tinyModel();
const states = path.join(home, "states");
const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

test("a run's steps are counted in advance, also for a run that has begun, and without heads that another run trained", async () => {
  const out = path.join(home, "counted");
  const method = { name: "exit-heads", saving: "dynamax", from: 1, block: 32, decider: ["linear", "mamba"] };
  const options = completeOptions({ method, model: file, quant: "f32", data: textsOf("counted") });
  const noTasks = { options, labTasks: undefined };
  const count = (folder: string) => checkOptions({ ...noTasks, out: folder }, (model) => openBase(model, {}));
  const steps = await count(out);
  expect(existsSync(out)).toBe(false);
  expect(existsSync(states)).toBe(false);
  await pauseSession({ ...noTasks, out, reuse: "refuse" }, steps - 3, (model) => openBase(model, {}), {});
  expect(new Set(readMetrics(out).map(({ stage }) => stage))).toEqual(new Set(["head-1", "linear-1", "mamba-1"]));
  expect(await count(out)).toBe(steps);
  const heads = readMetrics(out).filter(({ stage }) => stage === "head-1").length;
  expect(await count(`${out}-other`)).toBe(steps - heads);
  const { steps: run } = await runSession({ ...noTasks, out, reuse: "resume" }, (model) => openBase(model, {}), {});
  expect(run).toBe(steps);
  expect(readMetrics(out).at(-1)).toMatchObject({ step: steps, steps });
});

test.each([
  ["dynamax", "adapter", ["linear", "mamba"]],
  ["sec", "shared", ["controller"]],
] as const)(
  "a dry run of %s reads two rows, stores nothing, and reports the run's FLOPs",
  async (saving, head, decider) => {
    const out = path.join(home, `dry-${saving}`);
    const method = { name: "exit-heads", saving, head, decider, from: 1, block: 32 };
    const run = { method, model: file, quant: "f32", data: textsOf(saving) } as const;
    const names = namesIn(states);
    const rows = vi.spyOn(StateCache.prototype, "add");
    const result = await estimateTraining(run);
    expect(rows).toHaveBeenCalledTimes(2);
    rows.mockRestore();
    expect(namesIn(states)).toEqual(names);
    const { receipt } = await train(run, { out });
    expect(result.steps).toBe(receipt.steps);
    // An epoch's last batch is short, so its step also takes positions of the next epoch.
    for (const share of [result.tokens / receipt.tokens, result.flops / receipt.flops.spent])
      expect(Math.abs(1 - share)).toBeLessThan(0.05);
    expect(result.hours).toBeGreaterThan(0);
    // Stored states and heads are not computed again.
    const again = await estimateTraining(run);
    expect(again.flops).toBeLessThan(result.flops / 2);
    expect(again.steps).toBe(readMetrics(out).filter(({ stage }) => stage !== "head-1").length);
  },
);
