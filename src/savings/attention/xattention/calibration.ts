import { z } from "zod";
import type { Calibration, CalibrationHost, CalibrationPrompt } from "../../calibration.ts";
import { requireOneAxis, requirePlainAttention } from "../plain.ts";
import { mergeProfiles, type ThresholdProfile } from "./thresholds.ts";

const options = z
  .strictObject({
    stride: z.int().min(1).default(8).describe("the stride that the thresholds are for"),
    blockSize: z.int().min(1).default(128).describe("the block size that the thresholds are for"),
    coverage: z.number().min(0).max(1).default(0.9).describe("share of the exact attention mass to keep"),
  })
  .refine(({ stride, blockSize }) => blockSize % stride === 0, {
    path: ["stride"],
    error: ({ input }) => `expected a divisor of blockSize ${(input as { blockSize: number }).blockSize}`,
  });

/**
 * Finds XAttention's threshold for each layer and head: the share of estimated mass that keeps `coverage` of the exact
 * mass. With several texts, the largest of their thresholds is used. Time and memory grow with the square of a text's
 * length; a few thousand tokens suffice.
 */
export const thresholdCalibration: Calibration<typeof options> = {
  summary: "a threshold for each layer and head",
  options,
  async learn(host, prompts, how) {
    const thresholds = await profile(host, prompts, how);
    const artefact: ThresholdProfile = {
      modelSha256: await host.hash(),
      ...host.form,
      ...how,
      thresholds,
      textsSha256: host.textsSha256,
    };
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
  prompts: readonly CalibrationPrompt[],
  { coverage, ...sizes }: z.output<typeof options>,
): Promise<number[][]> {
  requirePlainAttention("xattention", decoder);
  requireOneAxis("xattention", decoder);
  const { ThresholdProfiler } = await import("./profiler.ts");
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
