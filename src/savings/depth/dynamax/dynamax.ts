import type { Calibration } from "../../calibration.ts";
import type { Saving } from "../../saving.ts";
import { exitUnsupported } from "../checks.ts";
import { calibrationOptions, type DynamaxOptions, dynamaxOptions } from "./options.ts";

/** Exit thresholds, each certified for a risk. */
export const thresholdCalibration: Calibration<typeof calibrationOptions> = {
  summary: "exit thresholds that keep a risk, certified on documents not used in training",
  options: calibrationOptions,
  learn: async (...call) => (await import("./calibration.ts")).learnThresholds(...call),
};

/**
 * DYNAMAX (Nogales et al., arXiv 2504.20922): a token exits after a layer if a rule, usually a trained classifier of
 * the residual stream, predicts that the head there agrees with the whole model.
 */
export const dynamax: Saving<DynamaxOptions> = {
  name: "dynamax",
  group: "depth",
  summary: "tokens exit at the layer where a classifier is confident",
  needs: ["between layers", "head"],
  options: dynamaxOptions,
  calibration: thresholdCalibration,
  unsupported: exitUnsupported,
  files: ["file"],
  seams: () => ["the steps of an answer"],
  certifiedOn: ({ risk }) => (risk === undefined ? undefined : "raw"),
  settings: () => ["threshold=0.99", "threshold=0.95", "threshold=0.9"],
  async check(options, host) {
    const { open } = await import("./opened.ts");
    await open(options, host);
  },
  async prepare(options, host) {
    const { isNeutral, open, partOf } = await import("./opened.ts");
    const parts = await open(options, host);
    if (isNeutral(options, parts)) return undefined;
    return { plan: () => partOf(options, parts), [Symbol.dispose]() {} };
  },
};
