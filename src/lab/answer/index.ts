import type { EncoderModel } from "../../engine/encoders/text/encoder-model.ts";
import { openModel } from "../../engine/file/open-model.ts";
import type { Seq2SeqModel } from "../../engine/seq2seq/seq2seq-model.ts";
import type { NamedRank } from "../../pipelines/rank-pipeline.ts";
import type { NamedText } from "../../pipelines/text-pipeline.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import type { Answerer, Answering, Truncation } from "./answerer.ts";
import { DecoderAnswerer } from "./decoder.ts";
import { EncoderAnswerer } from "./encoder.ts";
import { rankAnswering } from "./first.ts";
import { Seq2SeqAnswerer } from "./seq2seq.ts";
import { pipelineAnswering } from "./text-pipeline.ts";

export { type Answerer, type Answering, type Plan, type Reply, type Truncation, truncations } from "./answerer.ts";

/** The options for loading a model. */
export interface Setting {
  readonly source: ResolvedModel;
  readonly quant: Quant;
  /** If undefined, prompts longer than the context are skipped. */
  readonly truncate: Truncation | undefined;
  /** The folder of a LoRA adapter. */
  readonly adapter?: string | undefined;
  /** The listwise reranker to load. */
  readonly first?: NamedRank | undefined;
  /** The pipeline to load; the model is its dense baseline. */
  readonly pipeline?: NamedText | undefined;
}

/** Loads a model to answer items under any recipes. @throws UserError */
export async function openAnswering({
  source,
  quant,
  truncate,
  adapter,
  first,
  pipeline,
}: Setting): Promise<Answering> {
  const model = await openModel(source, [], quant, { adapter });
  switch (model.kind) {
    case "decoder":
      if (first) return await rankAnswering(model, first);
      if (pipeline) return await pipelineAnswering(model, pipeline, truncate, quant);
      return {
        under: (recipe) => DecoderAnswerer.open(model, recipe, truncate),
        [Symbol.dispose]: () => model[Symbol.dispose](),
      };
    case "encoder":
      refuseTruncation(model, truncate);
      return seamless(model, () => new EncoderAnswerer(model));
    case "encoder with a decoder":
      return seamless(model, () => new Seq2SeqAnswerer(model, truncate));
    case "encoder of images and texts":
      model[Symbol.dispose]();
      throw new UserError(`${model.source.name} encodes images and texts; the lab has no task for it`);
    case "image encoder":
      model[Symbol.dispose]();
      throw new UserError(`${model.source.name} encodes images; the lab has no task for it`);
    case "diffusion language model":
      model[Symbol.dispose]();
      throw new UserError(`${model.source.name} fills in masked tokens; the lab has no task for it`);
    case "image generator":
      model[Symbol.dispose]();
      throw new UserError(`${model.source.name} draws images; the lab has no task for it`);
  }
}

/** A model that savings cannot change. */
const seamless = (model: EncoderModel | Seq2SeqModel, open: () => Answerer): Answering => ({
  async under(recipe: Recipe) {
    await model.use(recipe);
    return open();
  },
  [Symbol.dispose]: () => model[Symbol.dispose](),
});

function refuseTruncation(model: EncoderModel, truncate: Truncation | undefined): void {
  if (truncate === undefined) return;
  model[Symbol.dispose]();
  throw new UserError(
    `${model.source.name} is an encoder, which cuts long texts at their end, as it was trained to; --truncate is for models that generate`,
    2,
  );
}
