import type { Decoder } from "../../../models/decoder/decoder.ts";
import { UserError } from "../../../util/errors.ts";
import type { Probe, PromptCut, VisualSpan } from "../../plan.ts";
import type { PreparedSaving, Saving } from "../../saving.ts";
import type { LastQueryScores } from "../last-query.ts";
import { unsupportedCut } from "../unsupported.ts";
import { keptTokens, type Stage, tokensOf } from "./keep.ts";
import { type FeatherOptions, featherOptions } from "./options.ts";

/** @throws UserError if the model does not support dropping visual tokens at these layers */
function checkFeather({ after, second }: FeatherOptions, decoder: Decoder): void {
  const why = unsupportedCut(decoder);
  if (why !== undefined) throw new UserError(`feather does not support this model: it has ${why}`, 2);
  const { layers } = decoder.config;
  const deepest = second ?? after!;
  if (deepest > layers) throw new UserError(`feather: there is no layer ${deepest}; the model has ${layers}`, 2);
}

/**
 * Drops most of an image's tokens after a layer, and most of the rest after a deeper layer (FEATHER, arXiv 2412.13180;
 * in the mode `fastv`, FastV, arXiv 2403.06764). Text tokens are never dropped.
 */
export const feather: Saving<FeatherOptions> = {
  name: "feather",
  group: "tokens",
  summary: "drop the least attended visual tokens after a layer",
  needs: ["between layers"],
  options: featherOptions,
  withoutPreset: "no setting has been shown to work on this model; choose one, such as feather:after=8,ratio=0.7",
  unsupported: unsupportedCut,
  visual: true,
  servesAxes: true,
  untuned: "it acts only on images, and lab tune has no items with images",
  seams: ({ after, second }) =>
    [after, second].flatMap((layer) => (layer ? [`the cut of a prompt after layer ${layer}`] : [])),
  async check(options, { decoder }) {
    checkFeather(options, decoder);
  },
  async prepare(options, { decoder }) {
    checkFeather(options, decoder);
    const { layers } = decoder.config;
    if (options.ratio === 0 || options.after! >= layers) return undefined;
    return FeatherStages.create(options, decoder);
  },
};

/** A request's cuts, in one or two stages. */
class FeatherStages implements PreparedSaving {
  private constructor(
    private readonly options: FeatherOptions,
    private readonly stages: readonly { readonly after: number; readonly stage: Stage }[],
    private readonly scores: readonly (LastQueryScores | undefined)[],
  ) {}

  static async create(options: FeatherOptions, decoder: Decoder): Promise<FeatherStages> {
    const { after, second, mode } = options;
    const stages = [
      { after: after!, stage: "first" as const },
      ...(second !== undefined && second < decoder.config.layers ? [{ after: second, stage: "second" as const }] : []),
    ];
    const attends = mode === "feather" || mode === "fastv";
    const scoring = { rotary: mode === "fastv", some: !isFull(options) };
    const { LastQueryScores } = await import("../last-query.ts");
    const scores = stages.map(({ after }) =>
      attends ? LastQueryScores.create(decoder, after - 1, scoring) : undefined,
    );
    return new FeatherStages(options, stages, await Promise.all(scores));
  }

  plan({ visual }: { readonly visual: readonly VisualSpan[] }) {
    if (visual.length === 0) return undefined;
    const cuts = this.stages.map(({ after, stage }, i): PromptCut => {
      const scores = this.scores[i];
      return {
        ...{ after, scope: "prompt" },
        ...(scores && { probe: probeOf(scores, this.options, visual) }),
        decide: ({ positions = [], probed }) => ({
          kind: "keep",
          positions: keptTokens(this.options, stage, visual, { positions, scores: probed }),
        }),
      };
    });
    return { cuts, state: { prompt: undefined, answer: undefined } };
  }

  [Symbol.dispose](): void {
    for (const scores of this.scores) scores?.[Symbol.dispose]();
  }
}

/** True if scores are a softmax over all tokens. */
const isFull = ({ score }: FeatherOptions): boolean => score === "full";

const probeOf = (scores: LastQueryScores, options: FeatherOptions, visual: readonly VisualSpan[]): Probe => ({
  async look(at) {
    const among = visual.flatMap((span) => tokensOf(span, at.positions).indices);
    return scores.look(at, isFull(options) ? undefined : Int32Array.from(among));
  },
});
