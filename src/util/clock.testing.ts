import { vi } from "vitest";

/** Stops the clock of `performance.now()`, at a whole number, until mocks are restored. */
export function stoppedClock(): { advance(ms: number): void } {
  let now = Math.ceil(performance.now());
  vi.spyOn(performance, "now").mockImplementation(() => now);
  return {
    advance: (ms) => {
      now += ms;
    },
  };
}
