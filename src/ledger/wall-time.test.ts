import { afterEach, expect, test, vi } from "vitest";
import { stoppedClock } from "../util/clock.testing.ts";
import { parts } from "./fixtures/parts.testing.ts";
import { makeReceipt } from "./receipt.ts";
import { WallTime } from "./wall-time.ts";

afterEach(() => void vi.restoreAllMocks());

const first = makeReceipt(parts({ ms: { queue: 10, load: 310, encode: 500, prefill: 900, decode: 640 } }));
const second = makeReceipt(parts({ ms: { queue: 20, load: 0, encode: 0, prefill: 100, decode: 60 } }));

test("parts are summed over calls, and a look-up between them is prefill", () => {
  const clock = stoppedClock();
  const time = new WallTime(undefined);
  clock.advance(10 + 500 + 900 + 640 + 5000 + 20 + 100 + 60);
  expect(time.times([first, second])).toEqual({ queue: 30, load: 310, encode: 500, prefill: 6000, decode: 700 });
  expect(time.answering(second, [first, second])).toEqual({
    ...{ queue: 30, load: 310, encode: 500, prefill: 6640, decode: 60 },
  });
});

test("a server's request waits while a model loads, and counts that once", () => {
  const clock = stoppedClock();
  const now = performance.now();
  const time = new WallTime(now - 7);
  clock.advance(10 + 310 + 500 + 900 + 640);
  expect(time.times([first])).toEqual({ queue: 10, load: 310, encode: 500, prefill: 907, decode: 640 });
});

test("calls side by side may sum to more than the wall", () => {
  stoppedClock();
  expect(new WallTime(undefined).times([second, second])).toMatchObject({ queue: 40, prefill: 200, decode: 120 });
});
