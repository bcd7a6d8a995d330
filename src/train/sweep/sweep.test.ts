import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runSweep } from "./sweep.ts";
import type { SweepEvents } from "./sweep-run.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-sweep-"));
afterAll(() => rmSync(folder, { recursive: true }));

const text = path.join(folder, "text.txt");
writeFileSync(text, "It is the small things, done every day, that make a house a home. ".repeat(20));

const options = {
  architecture: {
    ...{ model_type: "llama", hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1 },
    ...{ intermediate_size: 16, max_position_embeddings: 16, rms_norm_eps: 1e-5 },
  },
  ...{ data: text, tokens: 16, batch: 2, steps: 4, saveEvery: 1, evaluateEvery: 2, evaluateBatches: 1 },
};

const noBase = () => Promise.reject(new Error("there is no base"));
const sweepOf = (name: string, grid: object, changed: object = {}) => ({
  ...{ sweep: { ...options, ...changed, grid }, out: path.join(folder, name) },
});

/** Events that record which runs and steps they report. */
function followed(): { seen: string[]; events: SweepEvents } {
  const seen: string[] = [];
  const events: SweepEvents = {
    onRun: ({ name, index, of }) => seen.push(`${index}/${of} ${name}`),
    onStep: ({ step }) => seen.push(`${step}`),
  };
  return { seen, events };
}

test("a stopped sweep resumes: finished runs are skipped, a half one continues; the best is first", async () => {
  const call = sweepOf("lr", { "optimizer.lr": [1e-5, 1e-2] });
  const controller = new AbortController();
  const { seen, events } = followed();
  const stop = ({ step }: { step: number }) => {
    seen.push(`${step}`);
    if (seen.length === 8) controller.abort();
  };
  await expect(runSweep(call, noBase, { ...events, onStep: stop }, controller.signal)).rejects.toThrow("abort");
  expect(seen).toEqual(["1/2 lr=0.00001", "1", "2", "3", "4", "2/2 lr=0.01", "1", "2"]);
  const again = followed();
  const { runs, report, stopped } = await runSweep(call, noBase, again.events);
  expect(again.seen).toEqual(["2/2 lr=0.01", "3", "4"]);
  expect(runs.map(({ out, steps, ended }) => [path.basename(out), steps, ended])).toEqual([
    ["lr=0.01", 4, "steps"],
    ["lr=0.00001", 4, "steps"],
  ]);
  expect(runs[0]!.loss!.best).toBeLessThan(runs[1]!.loss!.best);
  expect(readFileSync(report, "utf8")).toContain("lr=0.01");
  expect(stopped).toEqual([]);
  const other = sweepOf("lr", { "optimizer.lr": [1e-5, 1e-2] }, { clip: 2 });
  await expect(runSweep(other, noBase, {})).rejects.toThrow(/lr=0.00001: .* different options: clip: 2, was 1/);
});

test("a combination that cannot begin is refused before the first run begins", async () => {
  const call = sweepOf("long", { tokens: [16, 32] });
  const { seen, events } = followed();
  await expect(runSweep(call, noBase, events)).rejects.toThrow(
    "run tokens=32: tokens: rows of 32 tokens are longer than",
  );
  expect(seen).toEqual([]);
  expect(existsSync(call.out)).toBe(false);
});

test("a run without a finite loss does not end the sweep, and comes last", async () => {
  const call = sweepOf("wild", { "optimizer.lr": [1e30, 1e-2] }, { clip: 0 });
  const { runs, stopped } = await runSweep(call, noBase, {});
  expect(runs.map(({ ended }) => ended)).toEqual(["steps", "unfinished"]);
  expect(stopped).toHaveLength(1);
  expect(stopped[0]!.reason).toMatch(/^step \d: the loss is /);
});

describe("a screened sweep", () => {
  const changed = { steps: 40, evaluateEvery: 5, batch: 2, optimizer: { weightDecay: 0 } };
  const grid = { "optimizer.lr": [1e-30, 1e-3, 1e-2, 3e-2] };
  const call = (name: string, screen?: unknown) => sweepOf(name, grid, { ...changed, ...(screen ? { screen } : {}) });
  const linesOf = (out: string) => readFileSync(path.join(out, "metrics.jsonl"), "utf8").split("\n").length - 1;

  test("stops the worst by the held-out loss, also if interrupted; later it may continue without a screen", async () => {
    const controller = new AbortController();
    const { seen, events } = followed();
    const stop = ({ step }: { step: number }) => {
      seen.push(`${step}`);
      if (seen.length === 30) controller.abort();
    };
    await expect(
      runSweep(call("halved", "halving"), noBase, { ...events, onStep: stop }, controller.signal),
    ).rejects.toThrow("abort");
    const { runs, stopped, screen } = await runSweep(call("halved", "halving"), noBase, {});
    const names = runs.map(({ out, ended }) => [path.basename(out), ended]);
    expect(names.slice(2).toSorted()).toEqual([
      ["lr=0.001", "unfinished"],
      ["lr=1e-30", "unfinished"],
    ]);
    expect(runs.map(({ out }) => linesOf(out))).toEqual([40, 40, 20, 20]);
    expect(stopped.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^screened out at step 20 of 40: loss \d\.\d{4}$/),
      expect.stringMatching(/^screened out at step 20 of 40: loss \d\.\d{4}$/),
    ]);
    expect(screen).toMatchObject({ mode: "halving", window: 0.5, cost: { planned: 0.75 } });
    expect(screen!.cost.flops).toBeCloseTo(0.75, 1);
    expect(screen!.ranking.find(({ out }) => out.endsWith("lr=1e-30"))).toMatchObject({ fault: "flat", score: null });
    const again = followed();
    expect((await runSweep(call("halved", "halving"), noBase, again.events)).runs).toEqual(runs);
    expect(again.seen).toEqual([]);
    const whole = await runSweep(call("halved"), noBase, {});
    expect(whole.runs.map(({ ended }) => ended)).toEqual(Array(4).fill("steps"));
    expect(whole.runs[0]).toEqual(runs[0]);
    expect(whole).not.toHaveProperty("screen");
  });

  test("the paper's rule stops other runs, and a report only ranks", async () => {
    const paper = await runSweep(call("halved-paper", { mode: "paper", keep: 1 }), noBase, {});
    expect(paper.stopped).toHaveLength(3);
    // Among the runs with a falling loss, the slowest has the highest early loss.
    expect(path.basename(paper.runs[0]!.out)).toBe(path.basename(paper.screen!.ranking[0]!.out));
    const { screen, stopped } = await runSweep(call("halved", "report"), noBase, {});
    expect(stopped).toEqual([]);
    expect(screen!.cost).toEqual({ planned: 1, flops: 1 });
    expect(screen!.agreement.measure).toBeGreaterThan(0.5);
    expect(screen!.ranking.map(({ out }) => path.basename(out))).toEqual(
      paper.screen!.ranking.map(({ out }) => path.basename(out)),
    );
  });

  test("runs that are evaluated too late are refused before any begins", async () => {
    const late = sweepOf("late", grid, { ...changed, evaluateEvery: 30, screen: "halving" });
    await expect(runSweep(late, noBase, {})).rejects.toThrow("the first cut is at step 20; set evaluateEvery");
    expect(existsSync(late.out)).toBe(false);
    const blind = sweepOf("blind", grid, { ...changed, validation: 0, screen: "halving" });
    await expect(runSweep(blind, noBase, {})).rejects.toThrow("set validation above 0");
  });
});
