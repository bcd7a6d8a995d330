import { z } from "zod";
import type { Calibration, CalibrationHost } from "../../calibration.ts";
import { fraction, integer } from "../../option-schemas.ts";
import { requirePlainAttention } from "../plain.ts";
import { ThresholdProfiler } from "./profiler.ts";
import { mergeProfiles, type ThresholdProfile } from "./thresholds.ts";

const options = z
  .strictObject({
    stride: integer(1, 8).describe("the stride that the thresholds are for"),
    blockSize: integer(1, 128).describe("the block size that they are for"),
    coverage: fraction(0.9).describe("share of the exact attention mass that the kept blocks are to hold"),
  })
  .superRefine(({ stride, blockSize }, context) => {
    if (blockSize % stride !== 0)
      context.addIssue({
        code: "custom",
        path: ["stride"],
        message: `${stride} does not divide blockSize ${blockSize}`,
      });
  });

/**
 * XAttention's threshold for each layer and head: the share of estimated mass that keeps `coverage` of the exact mass, the greatest over the
 * texts. Time and memory grow with the square of a text's length; a few thousand tokens do.
 */
export const thresholdCalibration: Calibration<typeof options> = {
  summary: "a threshold for each layer and head",
  options,
  async learn(host, prompts, how) {
    const thresholds = await profile(host, prompts, how);
    const artefact: ThresholdProfile = { modelSha256: host.sha256, ...how, thresholds };
    const { stride, blockSize } = how;
    return {
      artefact,
      summary: described(thresholds.flat()),
      use: (file) =>
        `xattention:${blockSize === 128 ? "" : `blockSize=${blockSize},`}stride=${stride},thresholds=${file}`,
    };
  },
};

async function profile(
  { decoder, prefill }: CalibrationHost,
  prompts: readonly (readonly number[])[],
  { coverage, ...sizes }: z.output<typeof options>,
): Promise<number[][]> {
  requirePlainAttention("xattention", decoder);
  using profiler = await ThresholdProfiler.create(decoder, sizes);
  const profiles: number[][][] = [];
  for (const prompt of prompts) {
    await prefill(prompt, { attention: () => profiler });
    profiles.push(profiler.take(coverage));
  }
  return mergeProfiles(profiles);
}

function described(all: readonly number[]): string {
  const mean = all.reduce((sum, each) => sum + each) / all.length;
  const [least, most] = [Math.min(...all), Math.max(...all)];
  return `${all.length} thresholds, ${least.toFixed(3)} to ${most.toFixed(3)}, mean ${mean.toFixed(3)}`;
}
