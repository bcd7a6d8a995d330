import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { receiptSchema } from "../src/ledger/receipt.ts";
import { resolveModel } from "../src/weights/sources/index.ts";
import { inProcess, modicum, temporaryHome } from "./program.testing.ts";

const PAIR = "smollm2>gemma3";

let home: Awaited<ReturnType<typeof temporaryHome>>;
beforeAll(async () => {
  await resolveModel("gemma3");
  home = await temporaryHome();
});
afterAll(() => home[Symbol.dispose]());
const call = (...words: string[]) => modicum(words, { env: { MODICUM_HOME: home.path } });
/** Without a separate process. */
const own = (...words: string[]) => inProcess(words, home.path);
const file = (name: string, rows: readonly object[]) => {
  const path = join(home.path, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
};

const rows = ["Name the capital of Japan.", "Tell me about the sea.", "What is 2 + 2?", "Why?"].map((prompt) => ({
  prompt,
}));

test("a pair is calibrated, and answers by a share of its calls from then on", async () => {
  const before = await own("run", "--model", `${PAIR}@share=0.5`, "Hi");
  expect(before).toMatchObject({ status: 1, stdout: "" });
  expect(before.stderr).toMatch(
    /^error: smollm2>gemma3 is not calibrated for score=energy,aggregate=first; `modicum route/,
  );

  const calibration = await own(
    "route",
    "calibrate",
    PAIR,
    file("rows.jsonl", rows),
    "--by",
    "share",
    "--value",
    "0.5",
    "--json",
  );
  expect(calibration.status).toBe(0);
  const { calibrations } = JSON.parse(calibration.stdout);
  expect(calibrations).toMatchObject([{ score: "energy", aggregate: "first", rows: 4 }]);

  for (const { prompt } of rows.slice(0, 2)) {
    const { stdout } = await own("run", "--json", "--max-tokens", "4", "--model", `${PAIR}@share=0.5`, prompt);
    const { route, receipt } = JSON.parse(stdout);
    expect(route).toEqual({
      to: expect.any(String),
      model: expect.any(String),
      score: expect.any(Number),
      threshold: expect.closeTo(calibrations[0].threshold, 3),
    });
    expect(receiptSchema.parse(receipt)).toMatchObject({ model: PAIR, recipe: ["route:share=0.5"] });
    expect(route.to).toBe(route.score >= route.threshold ? "swift" : "super");
  }
  const { receipts } = JSON.parse((await own("receipts", "--json")).stdout);
  expect(receipts).toHaveLength(2);
}, 240_000);

test("its answer streams to stdout, without the decision", async () => {
  const { stdout, status } = await call(
    "run",
    "--max-tokens",
    "4",
    "--model",
    `${PAIR}@t=-inf`,
    "Name the capital of Japan.",
  );
  expect({ stdout, status }).toEqual({ stdout: "The capital of Japan\n", status: 0 });
});

describe("refused in one sentence", () => {
  const answered = rows.map((row) => ({ ...row, answer: "zebra" }));
  test.each<[string, readonly object[], string[], RegExp]>([
    ["one row", rows.slice(0, 1), [], /a calibration needs two rows or more, got 1/],
    ["one class only", answered, ["--max-tokens", "4"], /Swift answers none of the 4 rows correctly/],
    ["no answers", rows, ["--by", "crossing"], /by=crossing needs an answer to every row, and 4 of 4 have none/],
    ["a row of something else", [{ text: "Hi" }], [], /odd\.jsonl: line 1: field "prompt"/],
    ["no row", [], [], /odd\.jsonl has no rows/],
    ["a score that there is not", rows, ["--score", "vibes"], /--score/],
  ])("a file of %s", async (_, contents, more, sentence) => {
    const { status, stdout, stderr } = await own("route", "calibrate", PAIR, file("odd.jsonl", contents), ...more);
    expect(stdout).toBe("");
    expect(stderr).toMatch(sentence);
    expect(status).toBeGreaterThan(0);
  });

  test.each([
    ["smollm2>smollm2@share=0.3", [], 2, "names one model twice, expected two"],
    [`${PAIR}@t=1`, ["--save", "xattention"], 2, "--save needs a single model"],
    [`${PAIR}@t=1,score=vibes`, [], 2, 'route: score: expected "energy", '],
    ["a>b>c", [], 2, "is not a pair of models"],
  ])("run --model %s %j", async (model, more, status, sentence) => {
    const ended = await own("run", "--model", model, ...more, "Hi");
    expect(ended.stderr).toContain(sentence);
    expect(ended.status).toBe(status);
  });
});
