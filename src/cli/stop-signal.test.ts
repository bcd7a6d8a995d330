import { afterEach, expect, test, vi } from "vitest";
import { Interruption } from "./errors.ts";
import { interrupt, sayHowToGoOn, stoppable } from "./interrupt.ts";
import { listenForStop } from "./stop-signal.ts";

/** Calls only the newest listener, since the test's own process also listens. */
const raise = (signal: NodeJS.Signals) => process.listeners(signal).at(-1)!(signal);

afterEach(() => void vi.restoreAllMocks());

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)(
  "%s aborts with the status %i; forwarded by another process it counts once, and a later one ends at once",
  (signal, status) => {
    let now = 1000;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const listeners = process.listenerCount(signal);
    const controller = new AbortController();
    const ended: number[] = [];
    const release = listenForStop(controller, (code) => ended.push(code));
    raise(signal);
    expect(controller.signal.reason).toEqual(new Interruption(status));
    now += 100;
    raise(signal);
    expect(ended).toEqual([]);
    now += 1000;
    raise(signal);
    expect(ended).toEqual([status]);
    release();
    expect(process.listenerCount(signal)).toBe(listeners);
  },
);

test("stoppable work is stopped; once it is done, nothing is left to interrupt", async () => {
  const stopped = stoppable(async (signal) => {
    raise("SIGTERM");
    signal.throwIfAborted();
  });
  await expect(stopped).rejects.toThrow("interrupted");
  expect(interrupt(0)).toBe(false);
});

test("a stopped call says how to continue, and a failed one does not", () => {
  let shown = "";
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    shown += text;
    return true;
  });
  const failure = new Error("no such file");
  expect(() => sayHowToGoOn(new AbortController().signal, () => "")(failure)).toThrow(failure);
  expect(shown).toBe("");
  expect(() => sayHowToGoOn(AbortSignal.abort(), () => "repeat the command to continue")(failure)).toThrow(failure);
  expect(shown).toBe("stopped; repeat the command to continue\n");
});
