import { evalCost, graphCost } from "../../graph/index.ts";
import { traceHidden } from "../../models/encoder/encoder-graphs.ts";
import { exportedEncoder } from "../../models/programs/export-graphs.ts";
import { prepare } from "../../models/programs/programs.ts";
import { openTextEncoder } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { EncoderModel } from "../encoders/text/encoder-model.ts";
import { openedEncoder } from "../encoders/text/opened-encoder.ts";
import { refuseSeveral } from "../file/adapters.ts";
import { type KindFacts, sizesOf, wholeTexts } from "../file/described.ts";
import { type Kind, NOWHERE, type Shape } from "./kind.ts";
import { refuseSavings } from "./seamless.ts";

/** Models that read whole texts: each token sees all others. */
export const encoderKind: Kind<EncoderModel> = {
  async open({ source, adapted, recipe, quant }) {
    refuseSeveral(adapted, "an encoder");
    refuseSavings(`${source.name} is an encoder`, recipe);
    return EncoderModel.load(source, quant, adapted);
  },
  describe,
  async export({ checkpoint, own }, folder, quant) {
    const { encoder, weights } = await openTextEncoder(checkpoint, folder, quant, own);
    return { "model.onnx": prepare(weights, () => [exportedEncoder(encoder)])[0]! };
  },
  async check({ name }, _, recipe) {
    return refuseSavings(`${name} is an encoder`, recipe);
  },
  shape,
};

async function describe(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<KindFacts> {
  const { encoder, weights, settings, classifier, late, width, trace } = await openedEncoder(checkpoint, folder, quant);
  const { pooling, normalise, limit } = settings;
  const compared = late && { width, ...late };
  const read = classifier ? { labels: classifier.labels } : { embedding: { pooling, normalise, limit } };
  const purpose = compared ? { compared } : read;
  return {
    config: sizesOf(encoder.config),
    weights,
    ...{ cache: 0, seams: [] },
    ...purpose,
    trace,
    flops: ([cost]) => ({ flopsPerToken: wholeTexts(cost!, encoder.config.context) }),
  };
}

async function shape(checkpoint: Checkpoint): Promise<Shape> {
  // Encoders run in float32 by default, because results are compared with vectors computed elsewhere.
  const { encoder, weights } = await openTextEncoder(checkpoint, NOWHERE, "f32");
  const cost = graphCost(weights.imagined(() => traceHidden(encoder)));
  return {
    generated: () => {
      throw new UserError(`${checkpoint.path} is an encoder's configuration; expected a model that generates`);
    },
    read: (texts, tokens) => evalCost(cost, { batch: texts, tokens: tokens / texts, kept: tokens }),
  };
}
