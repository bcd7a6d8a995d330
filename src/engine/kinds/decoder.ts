import { type Cost, evalCost, evalDim } from "../../graph/index.ts";
import { type Decoder, layersOf } from "../../models/decoder/decoder.ts";
import { prepare } from "../../models/programs/programs.ts";
import { traceDense } from "../../models/programs/segments.ts";
import { isOfKind, openDecoder, readsTextAlone } from "../../models/registry.ts";
import { pastSizes } from "../../models/state/window-start.ts";
import { withPresets } from "../../savings/presets.ts";
import { checkSeams } from "../../savings/recipe.ts";
import type { Seam } from "../../savings/seams.ts";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { modelHash, preparedFolder } from "../../weights/sources/index.ts";
import { LanguageModel } from "../decode/language-model.ts";
import { cacheBytes, type KindFacts, sizesOf } from "../file/described.ts";
import type { Kind } from "./kind.ts";
import { refuseOnAxes } from "./seamless.ts";

/** True for a decoder with an image encoder. */
const seesImages = (checkpoint: Checkpoint): boolean => isOfKind("vision–language model", checkpoint);

/** The seams of a decoder that the engine opens to savings. */
export function openSeams({ config }: Decoder): readonly Seam[] {
  const attends = layersOf(config, "attention").length > 0;
  return [...(attends ? (["attention"] as const) : []), "between layers", "head", "tokens in"];
}

/** Language models: each token sees the earlier ones. Some also read images. */
export const decoderKind: Kind<LanguageModel> = {
  async open({ source, adapted, quant, device, onNotice }) {
    if (!seesImages(adapted.checkpoint) && (await readsTextAlone(adapted.checkpoint)))
      onNotice?.(`${source.name}: image input is not supported for this model; it reads only text`);
    return LanguageModel.load(source, quant, adapted, device, onNotice);
  },
  async describe(checkpoint, folder, quant) {
    const described = await describe(checkpoint, folder, quant);
    if (!seesImages(checkpoint)) return described;
    const { withImages } = await import("./vision-language.ts");
    return withImages(described, checkpoint, folder, quant);
  },
  async export({ checkpoint, own }, folder, quant) {
    if (quant === "q8r")
      throw new UserError(
        "q8r cannot be exported: processors without byte dot products compute it wrongly; expected auto, f32, q8 or q4",
        2,
      );
    const { decoder, weights } = await openDecoder(checkpoint, folder, quant, own);
    if (decoder.config.axes)
      throw new UserError(
        `${checkpoint.path} has positions on three axes, which ONNX export does not support; use --format safetensors`,
      );
    const { exportedDecoder } = await import("../../models/programs/export-graphs.ts");
    return { "model.onnx": prepare(weights, () => [exportedDecoder(decoder)])[0]! };
  },
  async check(source, checkpoint, recipe) {
    const { decoder, weights } = await openDecoder(checkpoint, preparedFolder(source.path));
    const hash = () => modelHash(source);
    try {
      refuseOnAxes(source.name, decoder.config, recipe);
      const steps = await withPresets(recipe, { decoder, hash });
      checkSeams(steps);
      for (const { saving, options } of steps) await saving.check(options, { decoder, hash });
      return steps;
    } finally {
      weights.abandon();
    }
  },
  shape: async (checkpoint) => (await import("./decoder-shape.ts")).decoderShape(checkpoint),
};

async function describe(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<KindFacts> {
  const { decoder, weights } = await openDecoder(checkpoint, folder, quant);
  const { context } = decoder.config;
  const step = (costs: readonly Cost[], past: number) => {
    const sizes = { batch: 1, tokens: 1, ...pastSizes(decoder.config, past) };
    return costs.reduce((sum, cost) => sum + evalCost(cost, sizes).flops - evalDim(cost.overhead ?? 0, sizes), 0);
  };
  return {
    config: sizesOf(decoder.config),
    weights,
    cache: cacheBytes(decoder.config),
    ...{ seams: openSeams(decoder), decoder },
    trace: () => traceDense(decoder),
    flops: (costs) => ({ flopsPerToken: { empty: step(costs, 0), full: step(costs, context - 1) } }),
  };
}
