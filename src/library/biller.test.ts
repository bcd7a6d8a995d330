import { afterEach, expect, test, vi } from "vitest";
import { Stopwatch } from "../engine/bill/stopwatch.ts";
import { stoppedClock } from "../util/clock.testing.ts";
import { Biller } from "./biller.ts";

afterEach(() => void vi.restoreAllMocks());

test("a request that waited for its model is billed that time as loading, once", () => {
  const clock = stoppedClock();
  const [before, after] = [new Stopwatch(), new Stopwatch()];
  clock.advance(1000 + 3000);
  const biller = new Biller("tiny", 3000);
  clock.advance(200);
  for (const time of [before, after]) time.enter("prefill");
  clock.advance(40);
  const bill = { flops: { dense: 1, spent: 1, overhead: 0 }, bytes: { dense: 1, spent: 1 }, work: {} };
  const receipt = (time: Stopwatch) =>
    biller.receipt({ ...bill, tokens: { prompt: 1, cached: 0, completion: 0 }, ...time.total() }, { recipe: [] });
  const rest = { encode: 0, prefill: 40, decode: 0, total: 4240 };
  expect(receipt(before).ms).toEqual({ queue: 1200, load: 3000, ...rest });
  expect(receipt(after).ms).toEqual({ queue: 4200, load: 0, ...rest });
});

test("receipts name the adapter and the rotated bytes of a loaded model", () => {
  const bill = { flops: { dense: 1, spent: 1, overhead: 0 }, bytes: { dense: 1, spent: 1 }, work: {} };
  const usage = { ...bill, tokens: { prompt: 1, cached: 0, completion: 0 }, ...new Stopwatch().total() };
  const loaded = { adapter: "mine", form: "q8r" } as const;
  expect(new Biller("tiny", 0, loaded).receipt(usage, { recipe: [] })).toMatchObject(loaded);
  const plain = new Biller("tiny", 0).receipt(usage, { recipe: [] });
  expect(Object.keys(plain)).not.toEqual(expect.arrayContaining(["form"]));
});

test("loading a model is billed to its first request, beside the request's own time", () => {
  const clock = stoppedClock();
  const biller = new Biller("tiny", 3000);
  clock.advance(60_000);
  const time = new Stopwatch();
  clock.advance(5);
  const bill = { flops: { dense: 1, spent: 1, overhead: 0 }, bytes: { dense: 1, spent: 1 }, work: {} };
  const { ms } = biller.receipt(
    { ...bill, tokens: { prompt: 1, cached: 0, completion: 0 }, ...time.total() },
    { recipe: [] },
  );
  expect(ms).toEqual({ queue: 5, load: 3000, encode: 0, prefill: 0, decode: 0, total: 3005 });
});
