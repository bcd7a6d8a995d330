import { expect, test } from "vitest";
import { canFuzz, fuzz } from "./fuzz.testing.ts";
import type { Scope } from "./keys/store.ts";

if (!canFuzz) console.warn("fuzzing: not tested, since there is no schemathesis in .ci/venv (.ci/run makes it)");

test.skipIf(!canFuzz).each<[string, Scope[] | undefined]>([
  ["nobody known", undefined],
  ["a key", ["infer"]],
])(
  "requests generated from the server's description, by %s, get no 5xx, and answers match the description",
  async (_, scopes) => {
    const { status, report, failures, billed, chats } = await fuzz(5, 1, scopes);
    expect({ status, failures }, report).toEqual({ status: 0, failures: [] });
    expect(Number(/(\d+) generated/.exec(report)?.[1])).toBeGreaterThan(500);
    expect(billed).toBeGreaterThan(20);
    expect(chats).toBeGreaterThan(5);
  },
  400_000,
);
