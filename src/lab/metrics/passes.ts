import type { Metric } from "../metric.ts";
import { passesInSandbox } from "../sandbox/python.ts";
import { meanOfParts } from "./sums.ts";

export const passes: Metric<"generation"> = {
  name: "passes",
  summary: "Share of programs that pass their tests, run in a sandbox (pass@1 of arXiv 2107.03374, greedy)",
  better: "higher",
  scale: "binary",
  part: ({ prompt, tests = "" }, { text }) => [passesInSandbox(`${prompt}${text}\n${tests}`) ? 1 : 0],
  quality: meanOfParts,
};
