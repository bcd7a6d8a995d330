import { noticeForm } from "../../notice-form.ts";
import type { SavingHost } from "../../seams.ts";
import { blockSparse } from "../block-sparse/saving.ts";
import { thresholdCalibration } from "./calibration.ts";
import { type XattentionOptions, xattentionOptions } from "./options.ts";
import { loadProfile } from "./thresholds.ts";

/** XAttention (Xu et al., arXiv 2503.16428): block-sparse prefill with blocks scored along antidiagonals. */
export const xattention = blockSparse<XattentionOptions, readonly (readonly number[])[] | undefined>({
  name: "xattention",
  summary: "block-sparse prefill: blocks scored along antidiagonals",
  options: xattentionOptions,
  files: ["thresholds"],
  calibration: thresholdCalibration,
  settings: () => ["threshold=0.95", "threshold=0.9", "threshold=0.8"],
  neutral: ({ selection, threshold, thresholds, ratio }) =>
    (selection === "threshold" && thresholds === undefined && threshold >= 1) || (selection === "ratio" && ratio >= 1),
  read: thresholdsOf,
  async chooser(options, limits, thresholds) {
    const { createScores, XattentionChooser } = await import("./chooser.ts");
    return new XattentionChooser(limits.shape, options, await createScores(limits, options), thresholds);
  },
});

/** Reads the thresholds from the profile that the options name. */
async function thresholdsOf({ thresholds: path, stride, blockSize }: XattentionOptions, host: SavingHost) {
  if (path === undefined) return undefined;
  const { layers, heads } = host.decoder.config;
  const profile = await loadProfile(path, { modelSha256: await host.hash(), stride, blockSize, layers, heads });
  noticeForm(path, profile, host.form, host.onNotice);
  return profile.thresholds;
}
