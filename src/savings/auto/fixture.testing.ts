import type { Certificate } from "./certificate.ts";

const price = (each: number) => ({ fixed: 0, new: each, attended: 0, answer: each });

/** A certificate for chats of 10 to 500 tokens: `recipe` up to 100 tokens, dense beyond; `over` overrides fields. */
export const certificateOf = (recipe: string, over: Partial<Certificate>): Certificate => ({
  ladder: [
    { tokens: [0, 100], rungs: [recipe, "dense"] },
    { tokens: [101, 10_000], rungs: ["dense"] },
  ],
  ...{ risk: 0.05, confidence: 0.95, loss: "agreement", type: "binary" },
  items: { search: 60, test: 124, groups: 184 },
  ...{ attempt: 1, p: 0.03, mean: 0.01, order: [] },
  recipes: {
    dense: { loss: 0, ms: price(2), flops: price(2e6), bytes: price(2e3) },
    [recipe]: { loss: 0.01, ms: price(1), flops: price(1e6), bytes: price(1e3) },
  },
  cost: {
    by: "ms",
    ms: { dense: 2, chosen: 1, ci95: [0.4, 0.6] },
    flops: { dense: 2, chosen: 1 },
    bytes: { dense: 2, chosen: 1 },
  },
  ...{ lengths: [10, 500], answer: 20 },
  ...{ model: "", form: "auto", codes: 8, prompt: "raw", sampling: {} },
  task: { name: "made up", hash: "" },
  ...{ machine: "made up", modicum: "0.0.0", created: "2026-01-31T00:00:00.000Z" },
  ...over,
});
