import { z } from "zod";
import { choice, file, fraction, optionalInteger } from "../../option-schemas.ts";
import { stateFills } from "../../plan.ts";
import type { Saving } from "../../saving.ts";
import { exitUnsupported, fillHelp, fillLists, fromHelp } from "../checks.ts";

const secOptions = z.strictObject({
  exit: fraction(0.9).describe(
    "a token exits if exiting is the likeliest action and more probable than this; 1: no token exits",
  ),
  stop: fraction(0.8).describe(
    "the answer ends if ending is the likeliest action and more probable than this; 1: it never ends early",
  ),
  fill: choice([...stateFills, ...fillLists])
    .default("copy-hidden/ssm-partial")
    .describe(fillHelp),
  from: optionalInteger(1).describe(fromHelp),
  file: file().describe("folder of exits from `savings train sec`; default: the exits shipped for the model"),
});

export type SecOptions = z.infer<typeof secOptions>;

/**
 * SEC (Sun et al., ICSE 2024, arXiv 2401.09964): one small controller reads the residual stream after each exit layer.
 * It ends the answer if the next token would be wrong, takes the exit's token if it is already right, or continues with
 * the next layers. The answer's first token runs through all layers.
 */
export const sec: Saving<SecOptions> = {
  name: "sec",
  group: "depth",
  summary: "a controller ends bad code completions and exits early",
  needs: ["between layers", "head"],
  options: secOptions,
  unsupported: exitUnsupported,
  files: ["file"],
  seams: () => ["the steps of an answer"],
  settings: () => ["exit=0.95,stop=1", "exit=0.9,stop=1", "exit=0.9,stop=0.8"],
  async check(options, host) {
    const { open } = await import("./opened.ts");
    await open(options, host);
  },
  async prepare(options, host) {
    const { open, partOf } = await import("./opened.ts");
    const parts = await open(options, host);
    if (options.exit >= 1 && options.stop >= 1) return undefined;
    return { plan: () => partOf(options, parts), [Symbol.dispose]() {} };
  },
};
