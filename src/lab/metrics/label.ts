import type { Metric } from "../metric.ts";
import { argmax, meanOfParts } from "./sums.ts";

export const labelAccuracy: Metric<"label"> = {
  name: "label-accuracy",
  summary: "Share of texts whose correct label has the greatest score",
  better: "higher",
  part: ({ gold }, { scores }) => [argmax(scores) === gold ? 1 : 0],
  quality: meanOfParts,
};
