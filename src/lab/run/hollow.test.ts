import { expect, test } from "vitest";
import type { RecipeSummary, Summary } from "../results.ts";
import { actionOf } from "./acted.ts";
import { chanceOf, hollow } from "./hollow.ts";

const recipe = (fields: Partial<RecipeSummary>): RecipeSummary => ({
  ...{ recipe: "exit:layer=2", quality: 0.8, ci95: [0.7, 0.9], delta: { mean: 0, ci95: [0, 0] } },
  ...{ flops_saved: 0.1, ms_per_item: 1, on_frontier: true, others: {}, ...fields },
});
const summary = (fields: Partial<Summary> = {}): Summary => ({
  ...{ task: "t", metric: { name: "accuracy", better: "higher" }, model: "m", model_hash: "0", seed: 0, items: 20 },
  ...{ too_long: 0, command: "", machine: "", versions: {}, created: new Date(0).toISOString(), recipes: [] },
  ...fields,
});
const dense = (fields: Partial<RecipeSummary>) => recipe({ recipe: "dense", ...fields });

test.each([
  [summary(), dense({ quality: 0, ci95: [0, 0] }), /^dense scores 0 in accuracy/],
  [summary({ chance: 0.25 }), dense({ quality: 0.3, ci95: [0.2, 0.4] }), /not proven better than guessing/],
  [summary({ items: 9 }), dense({}), /^intervals of 9 items are unreliable, expected at least 10/],
  [summary(), dense({ empty: 0.25 }), /^25\.0 % of the answers under dense are empty/],
  [summary(), recipe({ empty: 0.25 }), /^25\.0 % of the answers under exit:layer=2 are empty/],
  [summary(), recipe({ acted: { items: 0, change: 0 } }), /^exit:layer=2 acted on none of these items/],
  [summary(), recipe({ acted: { items: 0.05, change: 0.5 } }), /acted on only 5.* of these items/],
  [summary(), recipe({ acted: { items: 1, change: 0.001 } }), /changed the work by only 0\.1 %/],
  [
    summary({ recipes: [dense({ flops_per_item: 100 })] }),
    recipe({ flops_per_item: 245 }),
    /^exit:layer=2 spends 2\.45 times dense's FLOPs on these items, since its answers are longer/,
  ],
])("hollow evidence %#", (of, each, sentence) => expect(hollow(of, each)).toEqual([expect.stringMatching(sentence)]));

test.each([
  [summary({ chance: 0.25 }), dense({ ci95: [0.26, 0.9] })],
  [summary({ metric: { name: "perplexity", better: "lower" } }), dense({ quality: 0 })],
  [summary(), dense({ empty: 0.2 })],
  [summary(), recipe({ acted: { items: 0.1, change: 0.01 } })],
  [summary({ recipes: [dense({ flops_per_item: 100 })] }), recipe({ flops_per_item: 90 })],
  // A recipe that does not claim to save FLOPs.
  [summary({ recipes: [dense({ flops_per_item: 100 })] }), recipe({ flops_per_item: 105, flops_saved: -0.05 })],
  // An older summary does not record these fields.
  [summary(), recipe({})],
])("solid evidence %#", (of, each) => expect(hollow(of, each)).toEqual([]));

test("a recipe acted on the items whose counters differ from dense's; a counter that dense lacks counts whole", () => {
  const layers = (run: number) => ({ work: { layers: { dense: 100, run } } });
  expect(actionOf([layers(100), layers(100)])).toEqual({ items: 0, change: 0 });
  expect(actionOf([layers(100), layers(80)])).toEqual({ items: 0.5, change: 0.1 });
  expect(actionOf([{ work: {} }, { work: { drafts: { dense: 0, run: 1 } } }])).toEqual({ items: 0.5, change: 1 });
  expect(actionOf([layers(80), {}])).toBeUndefined();
});

test("chance is the accuracy of a guess among choices or labels", () => {
  const choices = [{ context: "a", continuation: " b" }];
  const item = { kind: "choice", id: "1", gold: 0 } as const;
  expect(
    chanceOf([
      { ...item, choices: [...choices, ...choices] },
      { ...item, choices: [...choices, ...choices, ...choices, ...choices] },
    ]),
  ).toBe(0.375);
  expect(chanceOf([{ kind: "text", id: "1", text: "a" }])).toBeUndefined();
});
