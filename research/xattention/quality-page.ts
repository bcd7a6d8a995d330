import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { signed } from "../common/figures.ts";

export const PAGE = "docs/savings/xattention.md";
export const SECTION = "xattention-quality";

/** The file that `research/xattention/quality.ts` writes. */
const schema = z.object({
  rows: z.array(
    z.object({
      task: z.enum(["nll", "needle", "multi-key"]),
      length: z.int(),
      recipe: z.string(),
      density: z.number(),
      nll: z.number().optional(),
      right: z.int().optional(),
    }),
  ),
});

/** The quality of sparse prefill at stride 16, one row per threshold and length: likelihood by window, right answers. */
export function qualityTable(): string {
  const { rows } = schema.parse(JSON.parse(readFileSync(join(root, "research/xattention/quality.json"), "utf8")));
  const of = (task: string, length: number, recipe: string) =>
    rows.filter((row) => row.task === task && row.length === length && row.recipe === recipe);
  const right = (task: string, length: number, recipe: string) => {
    const [sparse, dense] = [of(task, length, recipe)[0]?.right, of(task, length, "dense")[0]?.right];
    return sparse === undefined ? "" : `${sparse} / ${dense}`;
  };
  const row = (threshold: string, length: number) => {
    const recipe = `xattention:threshold=${threshold},stride=16,minLengthForSparse=0`;
    const dense = of("nll", length, "dense");
    const sparse = of("nll", length, recipe);
    return [
      threshold,
      length.toLocaleString("en"),
      (sparse.reduce((sum, { density }) => sum + density, 0) / sparse.length).toFixed(2),
      sparse.map(({ nll }, window) => signed(nll! - dense[window]!.nll!)).join(", "),
      right("needle", length, recipe),
      right("multi-key", length, recipe),
    ];
  };
  const lengths = [...new Set(rows.map(({ length }) => length))].sort((a, b) => a - b);
  return markdownTable(
    ["threshold", "tokens", "density", "nats a token, by window", "needle", "multi-key"],
    ["0.95", "0.9"].flatMap((threshold) => lengths.map((length) => row(threshold, length))),
  );
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, qualityTable());
