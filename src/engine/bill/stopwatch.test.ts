import { afterEach, expect, test, vi } from "vitest";
import { stoppedClock } from "../../util/clock.testing.ts";
import { Stopwatch } from "./stopwatch.ts";

afterEach(() => void vi.restoreAllMocks());

test("each moment since the arrival is in one part, also in one that is entered twice", () => {
  const clock = stoppedClock();
  const arrived = performance.now();
  clock.advance(5);
  const time = new Stopwatch(arrived);
  clock.advance(3);
  time.enter("prefill");
  clock.advance(2);
  time.enter("encode");
  clock.advance(50_000);
  time.enter("prefill");
  clock.advance(20);
  expect(time.total()).toEqual({ arrived, ms: { queue: 8, encode: 50_000, prefill: 22, decode: 0 } });
  time.enter("decode");
  clock.advance(7);
  expect(time.total().ms).toEqual({ queue: 8, encode: 50_000, prefill: 22, decode: 7 });
});
