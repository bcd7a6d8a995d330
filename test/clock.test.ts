import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { testFiles } from "../tools/test-kinds.ts";

/**
 * Patterns of tests that fail on a slow machine: elapsed time, or a wait that ends before the test's own limit. Count
 * work (`callsOf`), stub the clock, or wait for an event (`expect.poll`).
 */
const CLOCK =
  /\b(performance|Date)\.now\(\) - |\b(cpuUsage|hrtime)\(|\bAbortSignal\.timeout\(|\bvi\.wait(For|Until)\(|\bpoll\(.*\btimeout:/;

test("no test depends on the machine's speed", () => {
  const { fast, slow, isolated } = testFiles(".", ["src", "apps", "research", "test"]);
  const uses = [...fast, ...slow, ...isolated].flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .flatMap((line, i) => (CLOCK.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
  );
  expect(uses).toEqual([]);
});
