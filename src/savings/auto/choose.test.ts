import { expect, test } from "vitest";
import { choose } from "./choose.ts";
import { certificateOf } from "./fixture.testing.ts";
import type { RequestFacts, UnguaranteedReason } from "./guarantee.ts";

const certificate = certificateOf("lookup:most=8", {});
const facts: RequestFacts = { form: "raw", sampling: {}, constrained: false, maxTokens: 100 };
const asking = (prompt: number, over: Partial<RequestFacts> = {}, images = 0) => ({
  prompt,
  visual: Array.from({ length: images }, () => ({ first: 0, grid: [2, 2] as const })),
  facts: { ...facts, ...over },
});
const chosen = (...request: Parameters<typeof asking>) => choose("mine", certificate, asking(...request));

test("the cheapest recipe that is allowed at the prompt's length; the answer is as long as most were", () => {
  expect(chosen(50)).toEqual({ recipe: "lookup:most=8", cost: { ms: 70, flops: 70e6 }, reason: undefined });
  expect(chosen(50, { maxTokens: 5 }).cost.ms).toBe(55);
  expect(chosen(200)).toMatchObject({ recipe: "dense", cost: { ms: 440 }, reason: undefined });
});

test("under a budget, the recipe of least loss that fits; if none does, the cheapest", () => {
  expect(chosen(50, { budget: { ms: 150 } }).recipe).toBe("dense");
  expect(chosen(50, { budget: { ms: 100 } }).recipe).toBe("lookup:most=8");
  expect(chosen(50, { budget: { ms: 150, flops: 71e6 } }).recipe).toBe("lookup:most=8");
  expect(chosen(50, { budget: { ms: 1 } }).recipe).toBe("lookup:most=8");
  expect(chosen(200, { budget: { ms: 1 } }).recipe).toBe("dense");
});

test("what a recipe finds cached makes it cheaper, so that a conversation stays where its prefix is", () => {
  const attended = { fixed: 5, new: 1, attended: 0.1, answer: 1 };
  const free = { fixed: 0, new: 0, attended: 0, answer: 0 };
  const recipes = {
    dense: { loss: 0, ms: { fixed: 90, new: 1, attended: 0, answer: 1 }, flops: free, bytes: free },
    "lookup:most=8": { loss: 0.01, ms: attended, flops: free, bytes: free },
  };
  const ladder = certificate.ladder.map((rungs) => ({ ...rungs, rungs: ["lookup:most=8", "dense"] }));
  const both = { ...certificate, ladder, recipes };
  const under = (cached: Readonly<Record<string, number>>) =>
    choose("mine", both, asking(60), true, (recipe) => cached[recipe] ?? 0);
  expect(under({})).toMatchObject({ recipe: "dense", cost: { ms: 170 } });
  // 20 tokens are new, and each attends to the 40 before it.
  expect(under({ "lookup:most=8": 40 })).toMatchObject({ recipe: "lookup:most=8", cost: { ms: 5 + 20 + 100 + 20 } });
  expect(under({ "lookup:most=8": 40, dense: 30 })).toMatchObject({ recipe: "dense", cost: { ms: 140 } });
});

test("the cheapest is so by what was to be saved, and under a budget by what it limits", () => {
  const [none, one] = [0, 1].map((each) => ({ fixed: 0, new: each, attended: 0, answer: 0 }));
  const ladder = [{ tokens: [0, null] as [number, null], rungs: ["time", "flops", "bytes", "dense"] }];
  const recipe = (cheap: string) => ({
    ...{ loss: 0, ms: cheap === "time" ? none! : one!, flops: cheap === "flops" ? none! : one! },
    bytes: cheap === "bytes" ? none! : one!,
  });
  const recipes = { dense: recipe(""), time: recipe("time"), flops: recipe("flops"), bytes: recipe("bytes") };
  const under = (by: "ms" | "flops" | "bytes", budget?: RequestFacts["budget"]) =>
    choose("mine", { ...certificate, ladder, recipes, cost: { ...certificate.cost, by } }, asking(50, { budget }))
      .recipe;
  expect([under("ms"), under("flops"), under("bytes")]).toEqual(["time", "flops", "bytes"]);
  // All recipes fit the budget, without loss.
  for (const by of ["ms", "flops", "bytes"] as const)
    expect([under(by, { ms: 100 }), under(by, { flops: 100 })]).toEqual(["time", "flops"]);
  expect([under("flops", { ms: 100, flops: 100 }), under("bytes", { ms: 100, flops: 100 })]).toEqual(["flops", "time"]);
});

test.each([
  ["length", asking(9)],
  ["length", asking(501)],
  ["images", asking(50, {}, 1)],
  ["tools", asking(50, { constrained: true })],
  ["ids", asking(50, { form: undefined })],
  ["scored", { prompt: 50, visual: [] }],
] as const)("what was not tested is dense, without a guarantee: %s", (reason, request) => {
  expect(choose("mine", certificate, request)).toMatchObject({ recipe: "dense", reason });
});

test("answers may be no longer than the least at which the test's were cut", () => {
  const limited = certificateOf("lookup:most=8", { maxTokens: 64 });
  const byDefault = (prompt: number, over: Partial<RequestFacts> = {}) =>
    choose("mine", limited, asking(prompt, { defaultLength: true, maxTokens: 65, ...over }), false);
  expect(byDefault(50)).toMatchObject({ recipe: "lookup:most=8", reason: undefined, maxTokens: 64 });
  expect(byDefault(200)).toMatchObject({ recipe: "dense", reason: undefined, maxTokens: 64 });
  // Answers are not cut needlessly: without a guarantee, they are as long as the request allows.
  for (const other of [byDefault(50, { maxTokens: 20 }), byDefault(5), byDefault(50, { sampling: { topK: 3 } })])
    expect(other).not.toHaveProperty("maxTokens");
  expect(choose("mine", limited, asking(50, { maxTokens: 64 }))).toMatchObject({ recipe: "lookup:most=8" });
  expect(choose("mine", limited, asking(50, { maxTokens: 65 }))).toMatchObject({
    ...{ recipe: "dense", reason: "max_tokens" },
  });
});

test.each<[UnguaranteedReason, string, Partial<RequestFacts>]>([
  ["form", "with prompts of the form raw, but this request's is chat", { form: "chat" }],
  ["sampling", "with temperature off, but this request's is 0.7", { sampling: { temperature: 0.7 } }],
  ["adapter", "with no adapter, but this request's is the adapter mine", { adapter: "mine" }],
])("another %s is refused by name, or dense where nobody named the recipe", (reason, sentence, over) => {
  expect(() => chosen(50, over)).toThrow(
    `auto:mine was certified ${sentence}; tune for this case, or name a different recipe`,
  );
  expect(choose("mine", certificate, asking(50, over), false)).toMatchObject({ recipe: "dense", reason });
});
