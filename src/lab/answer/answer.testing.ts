import { z } from "zod";
import type { Recipe, Step } from "../../savings/recipe.ts";
import { type Answerer, openAnswering, type Setting } from "./index.ts";

/** A model of its own under one recipe, which is disposed of with what answers. */
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

/** A saving that drops the first half of a prompt after the first layer. */
export const dropping: Step = {
  text: "drop:keep=0.5",
  options: {},
  saving: {
    ...{ name: "drop", group: "tokens", summary: "for tests", needs: ["tokens in"], options: z.unknown() },
    unsupported: () => undefined,
    seams: () => ["the cut after layer 1"],
    check: async () => {},
    prepare: async () => ({
      plan: () => ({
        cuts: [
          { after: 1, scope: "prompt", decide: ({ tokens }) => ({ kind: "keep", positions: secondHalf(tokens) }) },
        ],
        state: { prompt: undefined, answer: undefined },
      }),
      [Symbol.dispose]() {},
    }),
  },
};

const secondHalf = (tokens: number): Int32Array =>
  Int32Array.from({ length: Math.ceil(tokens / 2) }, (_, i) => Math.floor(tokens / 2) + i);
