import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { trainOptions } from "../options.ts";
import { trainingReceipt } from "../session/receipt.ts";
import { thinned } from "./curve.ts";
import { reportRuns } from "./write.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-train-report-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the folder of a run of `steps` steps, finished by default. */
function run(name: string, steps: number, done = true): string {
  const out = path.join(folder, name);
  mkdirSync(out);
  writeFileSync(path.join(out, "run.json"), JSON.stringify(trainOptions.parse({ model: "some", data: "a.txt" })));
  const lines = Array.from({ length: steps }, (_, i) => ({
    ...{
      step: i + 1,
      steps,
      loss: 4 - i / steps,
      rate: 1e-3,
      norm: 1,
      labelled: 16,
      tokens: 16 * (i + 1),
      samples: i + 1,
      ms: 1,
    },
    ...(i % 2 === 1 && { validation: 4.5 - i / steps }),
  }));
  writeFileSync(path.join(out, "metrics.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const work = {
    forward: 2e9,
    backward: 2e9,
    update: 0,
    denseBackward: 4e9,
    tokens: 16 * steps,
    samples: steps,
    steps,
    ms: 2000,
  };
  if (done) writeFileSync(path.join(out, "receipt.json"), JSON.stringify(trainingReceipt("some", work)));
  return out;
}

test("several runs share a page, and their figures match their files", async () => {
  const [a, b] = [run("a", 4), run("b", 6, false)];
  const { report, runs } = await reportRuns([a, b]);
  expect(report).toBe(path.join(a, "report.html"));
  expect(runs).toMatchObject([
    { out: a, steps: 4, tokens: 64, samples: 4, ended: "steps", loss: { first: 4, last: 3.25, best: 3.75 } },
    { out: b, steps: 6, tokens: 96, samples: 6, ended: "unfinished" },
  ]);
  expect(runs[0]!.receipt!.flops.saved).toBeCloseTo(1 / 3);
  const page = readFileSync(report, "utf8");
  expect(page).toContain("2 training runs");
  // One figure each for loss by steps, loss by tokens, rate, norm and speed.
  expect(page.match(/<figure/g)).toHaveLength(5);
  for (const colour of ["#0072b2", "#d55e00"]) expect(page).toContain(`stroke="${colour}"`);
  expect(page).toContain("33.3 %");
  expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
});

test("one run's page has its options; a name with mark-up is shown as text", async () => {
  const page = path.join(folder, "page.html");
  await reportRuns([run("<b onload=x>&'", 2)], page);
  const text = readFileSync(page, "utf8");
  expect(text).toContain("&lt;b onload=x&gt;&amp;&#39;");
  expect(text).not.toContain("<b onload");
  expect(text).toContain("&quot;model&quot;: &quot;some&quot;");
});

test("a loss or a saving that rounds to zero has no sign", async () => {
  const out = run("zero", 2);
  const change = (file: string, from: RegExp, to: string) =>
    writeFileSync(path.join(out, file), readFileSync(path.join(out, file), "utf8").replace(from, to));
  change("metrics.jsonl", /"loss":4/, '"loss":-1e-7');
  change("receipt.json", /"saved":[\d.]+/, '"saved":-1e-7');
  const { report, runs } = await reportRuns([out]);
  expect(runs[0]).toMatchObject({ loss: { first: -1e-7 }, receipt: { flops: { saved: -1e-7 } } });
  expect(readFileSync(report, "utf8")).not.toMatch(/[-−]0(\.0+)?[ <]/);
});

test("a run without a step is shown as such", async () => {
  const { runs } = await reportRuns([run("empty", 0, false)]);
  expect(runs).toEqual([{ out: path.join(folder, "empty"), steps: 0, tokens: 0, samples: 0, ended: "unfinished" }]);
});

test("a folder without a run is refused before anything is written", async () => {
  const page = path.join(folder, "none.html");
  await expect(reportRuns([run("there", 2), folder], page)).rejects.toThrow(`${folder} contains no training run`);
  expect(existsSync(page)).toBe(false);
});

test("a long line is thinned to means, without values that are not finite", () => {
  const points = Array.from({ length: 1500 }, (_, x) => ({ x, y: x % 3 }));
  expect(thinned([{ x: -1, y: Number.NaN }, ...points])).toEqual(
    Array.from({ length: 500 }, (_, i) => ({ x: 3 * i + 2, y: 1 })),
  );
});
