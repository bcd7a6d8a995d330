import { expect, test } from "vitest";
import { canFuzz, fuzz } from "./fuzz.testing.ts";

if (!canFuzz) console.warn("fuzzing: not tested, since there is no schemathesis in .ci/venv (.ci/run makes it)");

test.skipIf(!canFuzz)(
  "what is made up from the server's description gets no 5xx, and answers of the form described",
  async () => {
    const { status, report, failures, billed } = await fuzz(5, 1);
    expect({ status, failures }, report).toEqual({ status: 0, failures: [] });
    expect(Number(/(\d+) generated/.exec(report)?.[1])).toBeGreaterThan(500);
    expect(billed).toBeGreaterThan(20);
  },
  180_000,
);
