import { z } from "zod";
import type { Decoder } from "../../../models/decoder/decoder.ts";
import { UserError } from "../../../util/errors.ts";
import type { Calibration, CalibrationPrompt } from "../../calibration.ts";
import type { VisualSpan } from "../../plan.ts";
import { requirePlainAttention } from "../plain.ts";
import { type HeadMask, headsWithin, keptHeads } from "./heads.ts";

const count = z.int().min(1);

const options = z.strictObject({
  first: z.int().min(0).default(1).describe("for texts without pictures: number of tokens before the simulated image"),
  rows: count.default(24).describe("for texts without pictures: rows of simulated visual tokens"),
  columns: count.default(24).describe("for texts without pictures: columns of simulated visual tokens"),
  keep: z.number().min(0).max(1).default(0.5).describe("share of the heads that visual tokens keep"),
  vote: z.number().min(0).max(1).default(0.4).describe("share of the texts in which a kept head must be active"),
  whole: z.int().min(0).default(2).describe("number of first layers that keep all heads"),
  budget: z
    .enum(["quarter", "eighth"], "expected quarter or eighth")
    .optional()
    .describe("one of the paper's nominal budgets of visual FLOPs, in place of keep; also sets layers and ffn"),
});

/** The shares of heads and neurons that, with half of the layers, reduce visual FLOPs to a quarter and to an eighth. */
const budgets = { quarter: 0.5, eighth: 0.25 } as const;
type Budget = keyof typeof budgets;

/** Heads that attend to visual tokens in enough texts; visual tokens skip the others (YOPO, arXiv 2410.06169). */
export const headCalibration: Calibration<typeof options> = {
  summary: "the heads that visual tokens use",
  options,
  async learn(host, prompts, { first, rows, columns, vote, whole, budget, ...options }) {
    requirePlainAttention("yopo", host.decoder);
    const span: VisualSpan = { first, grid: [rows, columns] };
    const longest = Math.max(...prompts.map(({ prompt }) => prompt.length));
    const { HeadProfiler } = await import("./profiler.ts");
    using profiler = await HeadProfiler.create(host.decoder, longest);
    for (const [i, prompt] of prompts.entries()) {
      const visual = prompt.visual.length > 0 ? prompt.visual : [span];
      checkText(i, prompt, visual.at(-1)!);
      await host.prefill(prompt, { attention: () => profiler.of(visual) });
    }
    const keep = budget ? budgets[budget] : options.keep;
    const ratios = profiler.ratios(vote);
    const mask = budget
      ? headsWithin(ratios, keep, { whole, layers: visualLayers(host.decoder) })
      : keptHeads(ratios, keep, whole);
    const artefact: HeadMask = {
      modelSha256: await host.hash(),
      keep,
      ratios,
      kept: mask,
      textsSha256: host.textsSha256,
    };
    return {
      artefact,
      summary: described(mask),
      use: (file) => `yopo:${budget ? `${cutsOf(budget, host.decoder)},` : ""}heads=${file}`,
    };
  },
};

/** A budget's options, except its heads. */
const cutsOf = (budget: Budget, decoder: Decoder): string => `layers=${visualLayers(decoder)},ffn=${budgets[budget]}`;

const visualLayers = ({ config }: Decoder): number => Math.ceil(config.layers / 2);

/** @throws UserError if no text comes after the last image */
function checkText(i: number, { prompt }: CalibrationPrompt, { first, grid }: VisualSpan): void {
  const end = first + grid[0] * grid[1];
  if (prompt.length <= end)
    throw new UserError(`text ${i} has ${prompt.length} tokens, expected more than ${end}: its image ends there`);
}

function described(mask: readonly (readonly boolean[])[]): string {
  const all = mask.flat();
  const layers = mask.map((heads) => heads.filter(Boolean).length).join(", ");
  return `${all.filter(Boolean).length} of ${all.length} heads kept; by layer: ${layers}`;
}
