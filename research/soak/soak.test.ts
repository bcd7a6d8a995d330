import { expect, test } from "vitest";
import type { Receipt } from "../../src/index.ts";
import type { Outcome } from "./send.ts";
import { bills, memory, passes } from "./verdict.ts";

const answered = (receipt: string, prompt: number, completion: number, n = 1): Outcome => ({
  ...{ kind: "k", status: 200, asExpected: true, begun: true },
  answered: { receipt, prompt, completion, n },
});
const abandoned = (begun: boolean): Outcome => ({ kind: "k", status: "left", asExpected: true, begun });
const receipt = (id: string, prompt: number, completion: number) =>
  ({ id, tokens: { prompt, completion, cached: 0 } }) as Receipt;

test("receipts against requests: by id and tokens; those of clients that left are the rest", () => {
  const outcomes = [
    answered("a", 5, 2),
    answered("b", 5, 9, 3),
    answered("c", 1, 1),
    abandoned(true),
    abandoned(false),
  ];
  const all = [receipt("a", 5, 2), receipt("b", 15, 9), receipt("c", 1, 2), receipt("d", 4, 4)];
  expect(bills(outcomes, all)).toEqual({ answered: 3, wrong: 1, left: 2, begun: 1, billed: 1 });
  expect(bills(outcomes, all.slice(1))).toMatchObject({ wrong: 2 });
});

const at = (seconds: number, mb: number) => ({ seconds, mb, anonymous: mb / 2, keyValues: 7, heap: 5 });

test("memory: medians of the first and the last third after the warm-up", () => {
  const seen = Array.from({ length: 180 }, (_, i) => at(10 * (i + 1), i < 30 ? 1 : i < 80 ? 100 : 103));
  expect(memory(seen, 5)).toMatchObject({ first: { mb: 100 }, last: { mb: 103, anonymous: 51.5, keyValues: 7 } });
  expect(memory(seen, 5).change).toBeCloseTo(0.03);
});

test("it is passed only if nothing is amiss", () => {
  const good = {
    ...{
      minutes: 30,
      warmUp: 5,
      rate: 1,
      machine: "",
      started: "",
      requests: {},
      unexpected: [] as Outcome[],
      exit: 0,
    },
    receipts: { answered: 9, wrong: 0, left: 4, begun: 2, billed: 3 },
    memory: { first: at(900, 100), last: at(1500, 104), change: 0.04, seen: [] },
  };
  expect(passes(good)).toBe(true);
  expect(passes({ ...good, exit: 1 })).toBe(false);
  expect(passes({ ...good, unexpected: [abandoned(true)] })).toBe(false);
  expect(passes({ ...good, memory: { ...good.memory, change: -0.06 } })).toBe(false);
  for (const wrong of [{ wrong: 1 }, { billed: 1 }, { billed: 5 }])
    expect(passes({ ...good, receipts: { ...good.receipts, ...wrong } })).toBe(false);
});
