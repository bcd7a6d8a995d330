import { describe, expect, test } from "vitest";
import { hasWindow, pastSizes, windowStart } from "./window-start.ts";

const none = { layers: 3 };
const one = { layers: 3, window: (layer: number) => (layer === 1 ? 100 : undefined) };
const two = { layers: 3, window: (layer: number) => [100, undefined, 300][layer] };

test("which layers have a window", () => {
  const of = (config: typeof none) => [0, 1, 2].map((layer) => hasWindow(config, layer));
  expect([of(none), of(one), of(two)]).toEqual([
    [false, false, false],
    [false, true, false],
    [true, false, true],
  ]);
});

describe("where layers with a window begin", () => {
  test("at the beginning where none has one", () => {
    for (const past of [0, 1, 1e6]) expect(windowStart(none, past)).toBe(0);
    expect(pastSizes(none, 1000)).toEqual({ past: 1000, windowPast: 1000 });
  });

  test("no later than the widest window, and less than 64 tokens before it", () => {
    for (const [config, window] of [
      [one, 100],
      [two, 300],
    ] as const)
      for (let past = -5; past < 1000; past++) {
        const first = Math.max(0, past + 1 - window);
        const start = windowStart(config, past);
        expect(start).toBeLessThanOrEqual(first);
        expect(start).toBeGreaterThan(first - 64);
        expect(start).toBeGreaterThanOrEqual(0);
        expect(pastSizes(config, past)).toEqual({ past, windowPast: past - start });
      }
  });
});
