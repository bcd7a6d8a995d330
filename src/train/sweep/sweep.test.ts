import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { runSweep, type SweepEvents } from "./sweep.ts";

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

/** Events that write down the runs and the steps. */
function followed(): { seen: string[]; events: SweepEvents } {
  const seen: string[] = [];
  const events: SweepEvents = {
    onRun: ({ name, index, of }) => seen.push(`${index}/${of} ${name}`),
    onStep: ({ step }) => seen.push(`${step}`),
  };
  return { seen, events };
}

test("a sweep that was stopped goes on: done runs are left, a half one is resumed; the best is first", async () => {
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
  await expect(runSweep(other, noBase, {})).rejects.toThrow(/lr=0.00001: .* other options: clip: 2, was 1/);
});

test("a combination that cannot begin is refused before the first run begins", async () => {
  const call = sweepOf("long", { tokens: [16, 32] });
  const { seen, events } = followed();
  await expect(runSweep(call, noBase, events)).rejects.toThrow("run tokens=32: tokens: 32 are more than");
  expect(seen).toEqual([]);
  expect(existsSync(call.out)).toBe(false);
});

test("a run without a finite loss does not end the sweep, and is last", async () => {
  const call = sweepOf("wild", { "optimizer.lr": [1e30, 1e-2] }, { clip: 0 });
  const { runs, stopped } = await runSweep(call, noBase, {});
  expect(runs.map(({ ended }) => ended)).toEqual(["steps", "unfinished"]);
  expect(stopped).toHaveLength(1);
  expect(stopped[0]!.reason).toMatch(/^step \d: the loss is /);
});
