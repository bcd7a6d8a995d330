import { type Cost, evalCost } from "../../graph/index.ts";
import { exportedSource, exportedTarget } from "../../models/programs/export-graphs.ts";
import { prepare } from "../../models/programs/programs.ts";
import { openSeq2Seq } from "../../models/registry.ts";
import { traceDecoded, traceSource } from "../../models/seq2seq/seq2seq-graphs.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { refuseSeveral } from "../file/adapters.ts";
import { cacheBytes, type KindFacts, sizesOf, wholeTexts } from "../file/described.ts";
import { Seq2SeqModel } from "../seq2seq/seq2seq-model.ts";
import type { Kind } from "./kind.ts";
import { refuseSavings } from "./seamless.ts";

/** Models that turn one text into another. */
export const encoderDecoderKind: Kind<Seq2SeqModel> = {
  async open({ source, adapted, recipe, quant }) {
    refuseSeveral(adapted, "an encoder with a decoder");
    refuseSavings(`${source.name} has an encoder`, recipe);
    return Seq2SeqModel.load(source, quant, adapted);
  },
  describe,
  async export({ checkpoint, own }, folder, quant) {
    const { model, weights } = await openSeq2Seq(checkpoint, folder, quant, own);
    const [encoder, decoder] = prepare(weights, () => [exportedSource(model), exportedTarget(model)]);
    return { "encoder_model.onnx": encoder!, "decoder_model.onnx": decoder! };
  },
  async check({ name }, _, recipe) {
    return refuseSavings(`${name} has an encoder`, recipe);
  },
};

async function describe(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<KindFacts> {
  const { model, weights } = await openSeq2Seq(checkpoint, folder, quant);
  const { encoderLayers, context } = model.config;
  const step = (cost: Cost, source: number) => evalCost(cost, { batch: 1, tokens: 1, past: source - 1, source }).flops;
  return {
    config: { ...sizesOf(model.config), encoderLayers },
    weights,
    // Keys and values of the answer and of the source.
    cache: 2 * cacheBytes(model.config),
    seams: [],
    trace: () => [traceSource(model), traceDecoded(model)],
    flops: ([source, target]) => ({
      flopsPerToken: { empty: step(target!, 1), full: step(target!, context) },
      sourceFlopsPerToken: wholeTexts(source!, context),
    }),
  };
}
