import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../tools/section.ts";
import type { Bias } from "./bias.ts";
import type { Answers } from "./measure.ts";

export type Named = Answers & { readonly name: string };

/** The committed answers of a page. */
export interface Results {
  readonly answers: readonly Named[];
  readonly bias: readonly Bias[];
  /** The share of heads on which two halves of the calibration agree, and the heads kept. */
  readonly heads: {
    readonly agreement: number;
    readonly kept: readonly (readonly boolean[])[];
    /** The same if the first two layers keep all heads. */
    readonly deep: readonly (readonly boolean[])[];
  };
}

export const pages = ["feather", "yopo"] as const;
export type Page = (typeof pages)[number];

export const pageOf = (page: Page): string => `research/visual-tokens/${page}/README.md`;
export const answersOf = (page: Page): string => join(root, "research/visual-tokens", page, "answers.json");

/** Copies what `measure.ts` wrote to a page's folder, in one file. */
export function collect(out: string, page: Page): void {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(out, file), "utf8"));
  const answers = readdirSync(join(out, page))
    .toSorted()
    .map((file) => withoutPaths(read(join(page, file)) as Named, out));
  const results = { answers, bias: read("bias.json"), heads: read("halves.json") };
  writeFileSync(answersOf(page), `${JSON.stringify(results)}\n`);
}

const withoutPaths = (one: Named, out: string): Named => ({
  ...one,
  recipe: one.recipe.map((step) => step.replaceAll(`${out}/`, "")),
  tokens: one.tokens.map((count) => Math.round(count * 100) / 100),
});

export const load = (page: Page): Results => JSON.parse(readFileSync(answersOf(page), "utf8")) as Results;
