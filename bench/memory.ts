import { statSync } from "node:fs";
import type { Bench } from "./harness.ts";
import { engines } from "./sides.ts";
import { realTokens } from "./tokens.ts";

const CONTEXT = 2048;
const STEPS = 16;

/** Peak resident memory of a process that fills a context of 2,048 tokens: a prompt, then a few steps. */
export const memory: Bench = {
  name: "memory",
  unit: "MB",
  moreIsBetter: false,
  lifetime: "fresh",
  sides: (options) =>
    engines(options, CONTEXT, async (child) => {
      await child.call("decode", { tokens: realTokens(CONTEXT - STEPS - 1), n: STEPS });
      return (await child.call("peak", {})).bytes / 1e6;
    }),
  // The floor is the size of the weights as stored in the file.
  floor: async ({ path }) => statSync(path).size / 1e6,
};
