/** The table of research/train-heads/results: `npx tsx research/train-heads/page.ts` writes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import type { Arm } from "./run.ts";

export const PAGE = "research/train-heads/README.md";
export const SECTION = "train-heads-results";
const RESULT = "research/train-heads/results/banking77.json";

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
