/** Draws the plots of the results of feather and yopo from their committed files: `npx tsx research/visual-tokens/attributes/plots.ts`. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ATTENTION, type Attention } from "./maps.ts";
import { accuracySvg } from "./plot-accuracy.ts";
import { biasSvg } from "./plot-bias.ts";
import { mapsSvg } from "./plot-maps.ts";
import { answersOf, load, type Page } from "./results.ts";

/** The plots by their files. */
export function plots(): Map<string, string> {
  const attention = JSON.parse(readFileSync(ATTENTION, "utf8")) as Attention;
  const beside = (page: Page, file: string) => join(dirname(answersOf(page)), file);
  return new Map([
    [beside("feather", "bias.svg"), biasSvg(attention)],
    [beside("feather", "attention.svg"), mapsSvg(attention)],
    [beside("feather", "accuracy.svg"), accuracySvg("feather", load("feather"))],
    [beside("yopo", "accuracy.svg"), accuracySvg("yopo", load("yopo"))],
  ]);
}

if (process.argv[1] === import.meta.filename) for (const [file, svg] of plots()) writeFileSync(file, svg);
