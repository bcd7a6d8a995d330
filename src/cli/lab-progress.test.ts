import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, expect, test, vi } from "vitest";
import { accuracy } from "../lab/metrics/index.ts";
import type { Result } from "../lab/results.ts";
import type { OpenCell } from "../lab/run/cell.ts";
import { watch } from "./lab-progress.ts";

afterEach(() => void vi.useRealTimers());

const cell = { task: { name: "letters", metrics: [accuracy] }, source: { name: "tiny" } } as unknown as OpenCell;
const right = (isRight: boolean) => ({ parts: { accuracy: [Number(isRight)] } }) as unknown as Result;

/** The output to a stream of `columns` columns; 0: not a terminal. */
function screen(columns: number) {
  const stream = new PassThrough();
  let text = "";
  stream.on("data", (data) => (text += data));
  const terminal = columns > 0 && { isTTY: true, columns };
  return { stream: Object.assign(stream, terminal) as unknown as NodeJS.WriteStream, text: () => text };
}

test("a line every tenth: the quality of all answers, existing results included, and the time left by new ones", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const { stream, text } = screen(0);
  using watcher = watch(stream as typeof process.stderr);
  const on = watcher.recipe(cell, "dense", Array(6).fill(right(true)));
  for (const done of [7, 8]) {
    vi.advanceTimersByTime(1000);
    on(right(false), done, 10);
  }
  expect(text()).toBe(
    "dense, letters, tiny: 7 of 10, so far 0.857, 3 s left\ndense, letters, tiny: 8 of 10, so far 0.750, 2 s left\n",
  );
});

test("bars: on 80 columns each shows its recipe, its progress, the quality and the time left; notices stand above", async () => {
  const { stream, text } = screen(80);
  const recipes = ["dense", "xattention:threshold=0.9"];
  const watcher = watch(stream as typeof process.stderr);
  for (const recipe of recipes) watcher.recipe(cell, recipe, [right(false), right(true)])(right(true), 3, 3);
  watcher.notice!("redis is gone");
  await expect.poll(text).toContain("redis is gone");
  watcher[Symbol.dispose]();
  const lines = () => stripVTControlCharacters(text()).split(/[\r\n]+/);
  for (const recipe of recipes) {
    const whole = () => lines().find((line) => line.includes(` ${recipe}`) && / 3\/3 0\.667 0 s left {2}/.test(line));
    await expect.poll(whole).toBeDefined();
    expect(whole()!.length).toBeLessThanOrEqual(80);
  }
});
