import { expect, test } from "vitest";
import { runJobs, untilStopped } from "./jobs.ts";

test("jobs run until they are stopped", async () => {
  const stop = new AbortController();
  const running = runJobs([untilStopped, untilStopped], stop.signal);
  stop.abort();
  await running;
});

test("a failing job stops the others, which end before its error is thrown", async () => {
  const ended: string[] = [];
  const other = async (signal: AbortSignal) => {
    await untilStopped(signal);
    ended.push("other");
  };
  const failing = () => Promise.reject(new Error("no model"));
  await expect(runJobs([other, failing], new AbortController().signal)).rejects.toThrow("no model");
  expect(ended).toEqual(["other"]);
});
