import { evalCost } from "../../graph/index.ts";
import { traceDenoiser } from "../../models/programs/denoiser-graphs.ts";
import { openDecoder } from "../../models/registry.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { DiffusionModel } from "../diffusion/diffusion-model.ts";
import { refuseSeveral } from "../file/adapters.ts";
import { type KindFacts, sizesOf } from "../file/described.ts";
import type { Kind } from "./kind.ts";
import { refuseSavings } from "./seamless.ts";

const KIND = "diffusion language model";

/** Language models that fill in masked tokens, in any order. */
export const diffusionKind: Kind<DiffusionModel> = {
  async open({ source, adapted, recipe, quant }) {
    refuseSeveral(adapted, `a ${KIND}`);
    refuseSavings(`${source.name} is a ${KIND}`, recipe);
    return DiffusionModel.load(source, quant, adapted);
  },
  describe,
  async check({ name }, _, recipe) {
    return refuseSavings(`${name} is a ${KIND}`, recipe);
  },
};

async function describe(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<KindFacts> {
  const { decoder, weights } = await openDecoder(checkpoint, folder, quant);
  const { context } = decoder.config;
  const per = (tokens: number) => (cost: Parameters<typeof evalCost>[0]) =>
    evalCost(cost, { batch: 1, tokens, rows: tokens }).flops / tokens;
  return {
    config: sizesOf(decoder.config),
    weights,
    // Nothing is stored between two passes unless a request asks for it.
    ...{ cache: 0, seams: [] },
    trace: () => [traceDenoiser(decoder, "none")],
    flops: ([pass]) => ({ flopsPerToken: { empty: per(1)(pass!), full: per(context)(pass!) } }),
  };
}
