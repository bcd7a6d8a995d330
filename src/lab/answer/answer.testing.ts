import { z } from "zod";
import type { Cut } from "../../savings/plan.ts";
import type { Recipe, Step } from "../../savings/recipe.ts";
import { type Answerer, openAnswering, type Setting } from "./index.ts";

/** Opens an answerer with its own model, which is disposed of with the answerer. */
export async function openAnswerer(setting: Setting, recipe: Recipe = []): Promise<Answerer> {
  const model = await openAnswering(setting);
  const answerer = await model.under(recipe);
  const dispose = answerer[Symbol.dispose].bind(answerer);
  return Object.assign(answerer, {
    [Symbol.dispose]: () => {
      dispose();
      model[Symbol.dispose]();
    },
  });
}

/** Drops the first half of a prompt after the first layer. */
export const dropping = cutting("drop:keep=0.5", {
  ...{ after: 1, scope: "prompt" },
  decide: ({ tokens }) => ({ kind: "keep", positions: secondHalf(tokens) }),
});

/** A saving that makes every answer token exit after the first layer. */
export const leaving = cutting("leave:layer=1", {
  ...{ after: 1, scope: "step" },
  decide: () => ({ kind: "exit", fill: "none" }),
});

/** A saving that splits the layers. */
function cutting(text: string, cut: Cut): Step {
  const metadata = {
    name: text.split(":")[0]!,
    group: "tokens",
    summary: "for tests",
    needs: ["between layers"],
  } as const;
  const state = { prompt: cut.scope === "prompt" ? undefined : "", answer: undefined };
  const prepared = { plan: () => ({ cuts: [cut], state }), [Symbol.dispose]() {} };
  return {
    ...{ text, options: {} },
    saving: {
      ...{ ...metadata, options: z.unknown(), unsupported: () => undefined },
      seams: () => [`the cut after layer ${cut.after}`],
      check: async () => {},
      prepare: async () => prepared,
    },
  };
}

const secondHalf = (tokens: number): Int32Array =>
  Int32Array.from({ length: Math.ceil(tokens / 2) }, (_, i) => Math.floor(tokens / 2) + i);
