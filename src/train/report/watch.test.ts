import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { trainOptions } from "../options.ts";
import { trainingReceipt } from "../session/receipt.ts";
import { watchRun } from "./watch.ts";

const run = mkdtempSync(path.join(tmpdir(), "modicum-watch-"));
afterAll(() => rmSync(run, { recursive: true }));
writeFileSync(path.join(run, "run.json"), JSON.stringify(trainOptions.parse({ model: "some", data: "a.txt" })));

const WORK = { forward: 1, backward: 1, update: 0, denseBackward: 1, tokens: 1, samples: 1, steps: 4, ms: 1 };
const step = (number: number) => {
  const report = { step: number, steps: 100, loss: 4 - number / 8, rate: 1e-3, norm: 1, labelled: 1, ms: 500 };
  appendFileSync(
    path.join(run, "metrics.jsonl"),
    `${JSON.stringify({ ...report, tokens: 32 * number, samples: 1 })}\n`,
  );
};

test("a page follows a run: its speed and the time left, until it has ended", async () => {
  const stop = new AbortController();
  const url = await watchRun(run, 0, stop.signal);
  const shown = async () => (await fetch(url)).text();
  expect(await shown()).toContain("No step is done yet.");
  for (const number of [1, 2, 3, 4]) step(number);
  const page = await shown();
  expect(page).toContain("Step 4 of 100, training loss 3.5000, 64 tokens per second, 0.8 minutes left.");
  for (const name of ["Learning rate", "Gradient norm", "Speed"]) expect(page).toContain(`<h2>${name}</h2>`);
  expect(page).toContain('http-equiv="refresh"');
  writeFileSync(path.join(run, "receipt.json"), JSON.stringify(trainingReceipt("some", WORK)));
  expect(await shown()).toMatch(/64 tokens per second; the run has ended\./);
  expect(await shown()).not.toContain('http-equiv="refresh"');
  stop.abort();
  await expect(fetch(url)).rejects.toThrow();
});

test("a folder without a run, and a port that is taken: one sentence", async () => {
  const stop = new AbortController();
  await expect(watchRun(path.join(run, "none"), 0, stop.signal)).rejects.toThrow(/none/);
  const url = await watchRun(run, 0, stop.signal);
  await expect(watchRun(run, Number(new URL(url).port), stop.signal)).rejects.toThrow(
    /^--port \d+: the page cannot be/,
  );
  stop.abort();
});
