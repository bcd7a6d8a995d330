import type { Decoder } from "../../../models/decoder.ts";
import { traceAfter } from "../../../models/segments.ts";
import { UserError } from "../../../util/errors.ts";
import type { PlanPart, PlanRequest, PromptCut, VisualSpan } from "../../plan.ts";
import type { PreparedSaving, Saving } from "../../saving.ts";
import type { SavingHost } from "../../seams.ts";
import { unsupportedCut } from "../../tokens/unsupported.ts";
import { requirePlainAttention, unsupportedAttention } from "../plain.ts";
import { type HeadsKept, VisualAttention, VisualPrograms } from "./attention.ts";
import { headCalibration } from "./calibration.ts";
import { loadHeads } from "./heads.ts";
import { reachOf, yopoMasks } from "./masks.ts";
import { type YopoOptions, yopoOptions } from "./options.ts";
import { isIn } from "./tiles.ts";

/** @throws UserError if the model's visual tokens cannot be treated so */
function checkYopo({ layers, ffn, heads, drop }: YopoOptions, decoder: Decoder): void {
  requirePlainAttention("yopo", decoder);
  const why = unsupportedCut(decoder);
  if (why !== undefined) throw new UserError(`yopo does not serve this model: it has ${why}`, 2);
  const { layers: depth } = decoder.config;
  if (layers !== undefined && layers > depth)
    throw new UserError(`yopo: there is no layer ${layers}; the model has ${depth}, expected no more`, 2);
  if (ffn === 0) throw new UserError("yopo: ffn: expected more than 0 and at most 1, got 0", 2);
  if (drop === "post-softmax-zero" && heads === undefined)
    throw new UserError("yopo: drop: expected heads=FILE beside post-softmax-zero, which is about dropped heads", 2);
}

/** @throws UserError if the file is not for this model */
async function headsOf({ heads }: YopoOptions, host: SavingHost): Promise<HeadsKept> {
  if (heads === undefined) return () => true;
  const { layers, kvHeads } = host.decoder.config;
  const { kept } = await loadHeads(heads, { modelSha256: await host.hash(), layers, heads: kvHeads });
  return (layer, head) => kept[layer]![head]!;
}

/**
 * Visual tokens compute less, each image alike (YOPO, arXiv 2410.06169): they attend to their neighbours, do without some heads and
 * neurons, and stop at a layer. Text's attention to visual tokens of dropped heads is renormalised, or zeroed after the softmax.
 */
export const yopo: Saving<YopoOptions> = {
  name: "yopo",
  group: "attention",
  summary: "visual tokens attend to neighbours, run a share of the neurons, and stop at a layer",
  needs: ["attention", "between layers"],
  options: yopoOptions,
  withoutPreset: "no cut of images is shown to work on this model; choose one, such as yopo:layers=16,radius=2",
  files: ["heads"],
  calibration: headCalibration,
  unsupported: (decoder) => unsupportedAttention(decoder) ?? unsupportedCut(decoder),
  servesAxes: true,
  untuned: "it acts on images alone, and items with images are not tuned yet",
  seams: (options) => [
    ...(attends(options) ? ["the attention"] : []),
    ...(options.layers === undefined ? [] : [`the cut of a prompt after layer ${options.layers}`]),
  ],
  async check(options, host) {
    checkYopo(options, host.decoder);
    await headsOf(options, host);
  },
  async prepare(options, host) {
    checkYopo(options, host.decoder);
    const keeps = await headsOf(options, host);
    // The weights may have no parts.
    if (options.ffn < 1) traceAfter(host.decoder, 0, options.ffn);
    const programs = narrows(options) ? await VisualPrograms.create(host.decoder, options.drop) : undefined;
    const last = options.layers ?? host.decoder.config.layers;
    const cuts = last < host.decoder.config.layers ? [last] : [];
    return attends(options) || cuts.length > 0 ? new Yopo(options, keeps, programs, cuts) : undefined;
  },
  masks(options, decoder) {
    checkYopo(options, decoder);
    return yopoMasks(options, decoder.config.layers);
  },
};

/** True if it does the attention of some layers in its own way. */
const narrows = ({ radius, heads }: YopoOptions): boolean => radius !== undefined || heads !== undefined;

/** True if it takes the seam of attention, where the feed-forward's share is told, too. */
const attends = (options: YopoOptions): boolean => narrows(options) || options.ffn < 1;

class Yopo implements PreparedSaving {
  constructor(
    private readonly options: YopoOptions,
    private readonly keeps: HeadsKept,
    private readonly programs: VisualPrograms | undefined,
    private readonly cuts: readonly number[],
  ) {}

  plan({ prompt, visual }: PlanRequest): PlanPart | undefined {
    if (visual.length === 0) return undefined;
    const { layers = Number.POSITIVE_INFINITY, ffn } = this.options;
    const attention = this.programs && { programs: this.programs, reach: reachOf(this.options), keeps: this.keeps };
    const saving = attends(this.options) ? new VisualAttention(prompt, visual, { attention, share: ffn }) : undefined;
    return {
      attention: (layer) => (layer < layers ? saving : undefined),
      cuts: this.cuts.map((after) => cutOf(after, visual)),
      state: { prompt: undefined, answer: undefined },
    };
  }

  [Symbol.dispose](): void {
    this.programs?.[Symbol.dispose]();
  }
}

/** No visual token goes deeper, but for the prompt's last token. */
const cutOf = (after: number, visual: readonly VisualSpan[]): PromptCut => ({
  ...{ after, scope: "prompt" },
  decide: ({ positions = [] }) => ({
    kind: "keep",
    positions: Int32Array.from(positions.keys()).filter(
      (i) => i === positions.length - 1 || !visual.some((span) => isIn(span, positions[i]!)),
    ),
  }),
});
