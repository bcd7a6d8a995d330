/** The table of docs/results/train-heads: `npx tsx tools/train-heads-results.ts` writes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "./section.ts";
import type { Arm } from "./train-heads/run.ts";

export const PAGE = "docs/results/train-heads/README.md";
export const SECTION = "train-heads-results";
const RESULT = "docs/results/train-heads/banking77.json";

export function trainHeadsTable(): string {
  const { arms } = JSON.parse(readFileSync(join(root, RESULT), "utf8")) as { arms: Arm[] };
  return markdownTable(["head", "labels", "right of 3,080", "95 %", "held-out nats", "training FLOPs"], arms.map(row));
}

const row = ({ head, labels, accuracy, ci95, heldOut, flops }: Arm): string[] => [
  head === "none" ? "untrained" : `\`${head}\``,
  labels === "none" ? "" : labels,
  percent(accuracy),
  ci95.map(percent).join(" to "),
  heldOut?.loss.toFixed(3) ?? "",
  flops?.toExponential(2) ?? "",
];

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, trainHeadsTable());
