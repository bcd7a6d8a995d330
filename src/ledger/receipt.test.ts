import { describe, expect, test } from "vitest";
import { parts } from "./fixtures/parts.testing.ts";
import { makeReceipt, type ReceiptParts, receiptSchema, savedShare } from "./receipt.ts";

describe("makeReceipt", () => {
  test("derives id, time and the share saved, and keeps the rest", () => {
    const receipt = makeReceipt(parts(), Date.UTC(2026, 0, 31, 9, 5));
    expect(receipt).toEqual({
      ...parts(),
      ms: { ...parts().ms, total: 1850 },
      id: expect.stringMatching(/^019c134c-6660-7/),
      created: "2026-01-31T09:05:00.000Z",
      flops: { dense: 2.31e11, spent: 1.92e11, overhead: 2.1e9, saved: 1 - 1.92e11 / 2.31e11 },
    });
  });

  test("is what the schema accepts, also after JSON and without work counters", () => {
    const { work, ...bare } = parts();
    expect(work).toBeDefined();
    for (const receipt of [makeReceipt(parts()), makeReceipt(bare)]) {
      expect(receiptSchema.parse(JSON.parse(JSON.stringify(receipt)))).toEqual(receipt);
    }
  });

  const { tokens, flops, bytes, ms } = parts();
  test.each<[string, Partial<ReceiptParts>]>([
    ["flops.overhead is more than spent", { flops: { ...flops, overhead: 1.93e11 } }],
    ["flops.dense", { flops: { ...flops, dense: -1 } }],
    ["flops.spent", { flops: { ...flops, spent: Number.NaN } }],
    ["flops.dense", { flops: { ...flops, dense: Infinity } }],
    ["bytes.spent", { bytes: { ...bytes, spent: -1 } }],
    ["tokens.prompt", { tokens: { ...tokens, prompt: 1.5 } }],
    ["tokens.completion", { tokens: { ...tokens, completion: -1 } }],
    ["tokens.cached exceeds prompt", { tokens: { ...tokens, cached: 813 } }],
    ["ms.decode", { ms: { ...ms, decode: -0.1 } }],
    ["work.layers is not a counter", { work: { layers: { dense: 3, run: 0.5 } } }],
    ["work.calls.big", { work: { calls: { big: -1 } } }],
    ["model", { model: "" }],
  ])("refuses a bad %s by its name", (name, change) => {
    const attempt = () => makeReceipt({ ...parts(), ...change });
    expect(attempt).toThrow(RangeError);
    expect(attempt).toThrow(name);
  });

  test("the total is the sum of the times", () => {
    const ms = { queue: 1, load: 20, encode: 50_000, prefill: 300, decode: 4000 };
    expect(makeReceipt(parts({ ms })).ms).toEqual({ ...ms, total: 54_321 });
  });

  test("overhead may be all that was spent", () => {
    expect(makeReceipt(parts({ flops: { dense: 10, spent: 4, overhead: 4 } })).flops.saved).toBe(0.6);
  });
});

describe("savedShare", () => {
  test("is 1 - spent/dense, below 0 when more was spent", () => {
    expect(savedShare({ dense: 200, spent: 150 })).toBe(0.25);
    expect(savedShare({ dense: 200, spent: 250 })).toBe(-0.25);
    expect(savedShare({ dense: 200, spent: 0 })).toBe(1);
  });

  test("is 0 if dense is 0", () => {
    expect(savedShare({ dense: 0, spent: 0 })).toBe(0);
  });
});

describe("the schema", () => {
  // The receipt in the contract, verbatim, plus an id and a time.
  const contract = {
    id: "x",
    created: "2026-01-31T09:05:00.000Z",
    model: "smollm2",
    recipe: ["xattention:threshold=0.9,stride=16"],
    tokens: { prompt: 812, cached: 0, completion: 64 },
    flops: { dense: 2.31e11, spent: 1.92e11, overhead: 2.1e9, saved: 0.169 },
    bytes: { dense: 1.1e10, spent: 1.0e10 },
    work: {
      layers: { dense: 1920, run: 1920 },
      blocks: { dense: 1260, run: 540 },
      calls: { smollm2: { dense: 1, run: 1 } },
    },
    ms: { queue: 40, load: 310, encode: 0, prefill: 900, decode: 640, total: 1890 },
    estimated: false,
  };

  test("accepts receipts from earlier versions, without waiting and image times", () => {
    const { queue, encode, ...ms } = contract.ms;
    expect(receiptSchema.parse({ ...contract, ms }).ms).toEqual({ ...ms, queue: 0, encode: 0 });
  });

  test("accepts the contract's example unchanged", () => {
    expect(receiptSchema.parse(contract)).toEqual(contract);
  });

  test.each([
    ["calls as plain numbers, as earlier versions wrote them", { calls: { smollm2: 1 } }],
    ["counters of any name", { tokens: { dense: 900, run: 450 }, exits: { dense: 0, run: 7 } }],
    ["no counters", {}],
  ])("accepts %s", (_, work) => {
    expect(receiptSchema.parse({ ...contract, work })).toEqual({ ...contract, work });
  });

  test.each([
    ["a share saved that does not follow", { ...contract, flops: { ...contract.flops, saved: 0.2 } }],
    ["a field it does not know", { ...contract, price: 3 }],
    ["a counter of neither kind", { ...contract, work: { layers: 3 } }],
    ["an invalid time", { ...contract, created: "yesterday" }],
    ["a missing column", { ...contract, bytes: { dense: 1 } }],
  ])("refuses %s", (_, receipt) => {
    expect(receiptSchema.safeParse(receipt).success).toBe(false);
  });
});
