import { expect, test } from "vitest";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { RouteBill } from "./bill.ts";
import { Fake, type FakeOptions } from "./fake.testing.ts";

/** A large model whose prompts cost 10 FLOPs per token, with prompts of 100 tokens. */
class Large extends Fake {
  constructor(readonly share: number) {
    super("large", () => ({ words: [] }));
  }

  held = () => this.share;

  override price(_: unknown, __: unknown, ___?: FakeOptions, cached = 0) {
    const flops = 1000 * (1 - cached) + 50;
    return { flops, bytes: flops, prompt: 100 };
  }
}

function receiptOf(model: string, spent: number, cached: number): Receipt {
  return makeReceipt({
    ...{ model, recipe: [], estimated: false },
    tokens: { prompt: 100, cached, completion: 6 },
    flops: { dense: spent, spent, overhead: 0 },
    bytes: { dense: spent, spent },
    ms: { queue: 0, load: 0, encode: 0, prefill: 1, decode: 1 },
  });
}

function billOf(held: number, ...calls: readonly (readonly ["swift" | "super", number, number])[]): Promise<Receipt> {
  const pair = { swift: new Fake("small", () => ({ words: [] })), super: new Large(held) };
  const bill = new RouteBill<FakeOptions>(pair, "a chat", {}, { model: "small>large", recipe: [] }, undefined);
  for (const [role, spent, cached] of calls) bill.begin(role)(receiptOf(role, spent, cached));
  return bill.receipt(calls.at(-1)![0], { text: "", tokens: 6, ended: true });
}

test("dense has the larger of both models' cached prefixes", async () => {
  expect((await billOf(0, ["swift", 100, 0])).flops.dense).toBe(1050);
  expect((await billOf(0, ["swift", 40, 80])).flops.dense).toBeCloseTo(250);
  expect((await billOf(0.9, ["swift", 40, 80])).flops.dense).toBeCloseTo(150);
});

test("in an answer by Super, tokens that Swift has cached and Super reads again are overhead", async () => {
  const { flops, estimated } = await billOf(0.1, ["swift", 20, 80], ["super", 945, 10]);
  expect(estimated).toBe(false);
  expect(flops.dense).toBeCloseTo(945 - 700);
  expect(flops.spent - flops.overhead).toBeCloseTo(flops.dense);
  expect((await billOf(0.9, ["swift", 20, 80], ["super", 150, 90])).flops).toMatchObject({ dense: 150, overhead: 20 });
});

test("a model's second call has its first call's tokens cached", async () => {
  expect((await billOf(0, ["swift", 100, 0], ["swift", 10, 99])).flops.dense).toBe(1050);
});

test("the excess cost of a Swift that costs more than Super is overhead", async () => {
  const { dense, spent, overhead } = (await billOf(0.9, ["swift", 400, 0])).flops;
  expect([dense, spent, overhead].map(Math.round)).toEqual([150, 400, 250]);
});
