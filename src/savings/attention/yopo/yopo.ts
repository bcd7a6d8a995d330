import type { Decoder } from "../../../models/decoder/decoder.ts";
import { traceAfter } from "../../../models/programs/segments.ts";
import { UserError } from "../../../util/errors.ts";
import type { Saving } from "../../saving.ts";
import type { SavingHost } from "../../seams.ts";
import { unsupportedCut } from "../../tokens/unsupported.ts";
import { requirePlainAttention, unsupportedAttention } from "../plain.ts";
import type { HeadsKept } from "./attention.ts";
import { headCalibration } from "./calibration.ts";
import { loadHeads } from "./heads.ts";
import { yopoMasks } from "./masks.ts";
import { attends, type YopoOptions, yopoOptions } from "./options.ts";

/** @throws UserError if the model does not support these cuts for visual tokens */
function checkYopo({ layers, ffn, heads, drop }: YopoOptions, decoder: Decoder): void {
  requirePlainAttention("yopo", decoder);
  const why = unsupportedCut(decoder);
  if (why !== undefined) throw new UserError(`yopo does not support this model: it has ${why}`, 2);
  const { layers: depth } = decoder.config;
  if (layers !== undefined && layers > depth)
    throw new UserError(`yopo: there is no layer ${layers}; the model has ${depth}`, 2);
  if (ffn === 0) throw new UserError("yopo: ffn: expected more than 0 and at most 1, got 0", 2);
  if (drop === "post-softmax-zero" && heads === undefined)
    throw new UserError("yopo: drop=post-softmax-zero needs heads=FILE", 2);
}

/** @throws UserError if the file is not for this model */
async function headsOf({ heads }: YopoOptions, host: SavingHost): Promise<HeadsKept> {
  if (heads === undefined) return () => true;
  const { layers, kvHeads } = host.decoder.config;
  const { kept } = await loadHeads(heads, { modelSha256: await host.hash(), layers, heads: kvHeads });
  return (layer, head) => kept[layer]![head]!;
}

/**
 * Reduces computation on visual tokens (YOPO, arXiv 2410.06169): they attend to their neighbours, skip some heads and
 * neurons, and stop at a layer. In dropped heads, text's attention to visual tokens is masked before the softmax, or zeroed after it.
 */
export const yopo: Saving<YopoOptions> = {
  name: "yopo",
  group: "attention",
  summary: "visual tokens: local attention, fewer neurons and layers",
  needs: ["attention", "between layers"],
  options: yopoOptions,
  withoutPreset: "no setting has been shown to work on this model; choose one, such as yopo:layers=16,radius=2",
  files: ["heads"],
  calibration: headCalibration,
  unsupported: (decoder) => unsupportedAttention(decoder) ?? unsupportedCut(decoder),
  visual: true,
  servesAxes: true,
  untuned: "it acts only on images, and lab tune has no items with images",
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
    // Throws if the weights cannot be split.
    if (options.ffn < 1) traceAfter(host.decoder, 0, options.ffn);
    const { PreparedYopo } = await import("./prepared.ts");
    return PreparedYopo.create(options, keeps, host.decoder);
  },
  masks(options, decoder) {
    checkYopo(options, decoder);
    return yopoMasks(options, decoder.config.layers);
  },
};
