import type { Decoder } from "../../../models/decoder/decoder.ts";
import type { PlanPart, PlanRequest, PromptCut, VisualSpan } from "../../plan.ts";
import type { PreparedSaving } from "../../saving.ts";
import { type HeadsKept, VisualAttention, VisualPrograms } from "./attention.ts";
import { reachOf } from "./masks.ts";
import { attends, narrows, type YopoOptions } from "./options.ts";
import { isIn } from "./tiles.ts";

/** The saving, prepared for one model. */
export class PreparedYopo implements PreparedSaving {
  private constructor(
    private readonly options: YopoOptions,
    private readonly keeps: HeadsKept,
    private readonly programs: VisualPrograms | undefined,
    private readonly cuts: readonly number[],
  ) {}

  /** Undefined if the options skip nothing in this model. */
  static async create(options: YopoOptions, keeps: HeadsKept, decoder: Decoder): Promise<PreparedYopo | undefined> {
    const { layers: depth } = decoder.config;
    const programs = narrows(options) ? await VisualPrograms.create(decoder, options.drop) : undefined;
    const last = options.layers ?? depth;
    const cuts = last < depth ? [last] : [];
    return attends(options) || cuts.length > 0 ? new PreparedYopo(options, keeps, programs, cuts) : undefined;
  }

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

/** A cut after which the layers process only text and the prompt's last token. */
const cutOf = (after: number, visual: readonly VisualSpan[]): PromptCut => ({
  ...{ after, scope: "prompt" },
  decide: ({ positions = [] }) => ({
    kind: "keep",
    positions: Int32Array.from(positions.keys()).filter(
      (i) => i === positions.length - 1 || !visual.some((span) => isIn(span, positions[i]!)),
    ),
  }),
});
