import { join } from "node:path";
import { processorFor } from "../../../engine/encoders/image-text/processor-for.ts";
import type { Graph } from "../../../graph/index.ts";
import type { ImageText } from "../../../models/images/image-text.ts";
import { imageTextArchitecture } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import { makeFolders } from "../../../util/make-folders.ts";
import { writeJson } from "../../../util/write-whole.ts";
import { type Checkpoint, openCheckpoint } from "../../../weights/checkpoint.ts";
import type { JsonObject } from "../../../weights/json.ts";
import { Part } from "../../../weights/prepared/part.ts";
import type { WritableTensor } from "../../../weights/safetensors/write.ts";
import { writeModel } from "../../checkpoint/model.ts";
import type { HuggingFaceCheckpoint } from "../../checkpoint/wider-checkpoint.ts";
import { hashOf, readText } from "../../data/files.ts";
import { wordTokenizer } from "../../data/tokenizer.ts";
import { TracedWeights } from "../../graphs/traced-weights.ts";
import type { OpenTerms } from "../../session/stage.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import { writeTokenizer } from "../../subject/new-tokens.ts";
import { fillByWidth } from "../../whole/fill.ts";
import { type WholeBatch, type WholeModel, WholeStage } from "../../whole/whole-stage.ts";
import { batchesOf, type Pair, type PairReader, pairInputs, readPairs, rowsOf, shuffledPairs } from "./data.ts";
import { pairLoss } from "./loss.ts";
import type { PairOptions } from "./pairs.ts";

/** The initial bias of SigLIP's logits (Zhai et al. 2023, section 3.2), since nearly all pairs are negatives. */
const FIRST_BIAS = -10;

/** Trains a CLIP or SigLIP model from random weights and writes it as a Hugging Face folder. @throws UserError */
export async function* pairStages(
  options: PairOptions,
  { options: run, out, resumes }: OpenTerms,
): AsyncGenerator<WholeStage, void> {
  const { model, loss, weights, checkpoint, ...data } = await openPairs(options, out);
  using stage = await WholeStage.open({ weights, loss }, run, {
    ...{ hash: hashOf(options.data.map(readText)), steps: options.steps },
    batches: (from) => batchesFrom({ model, ...data }, options.seed, from),
  });
  if (options.start === undefined) fillNew(stage.store, model, options.seed);
  else if (!resumes) await fillFrom(stage.store, openCheckpoint(options.start));
  yield stage;
  await write({ checkpoint, model }, stage.store, options.temperature, out);
}

/** Pairs, with the tokenizer and image processor that read them. */
interface PairData extends PairReader {
  readonly pairs: readonly Pair[];
  /** Pictures per step. */
  readonly rows: number;
}

/** A new model and its data. */
interface NewPairs extends PairData, WholeModel {
  readonly checkpoint: HuggingFaceCheckpoint;
}

/** Opens the data and a new model; writes the model's folder, except for the weights. */
async function openPairs(options: PairOptions, out: string): Promise<NewPairs> {
  const allPairs = readPairs(options.data);
  makeFolders(out);
  const captions = allPairs.map(({ caption }) => caption);
  const tokenizer = await writeTokenizer(wordTokenizer(captions), { names: [] }, out);
  const checkpoint = newCheckpoint(options.architecture, tokenizer.vocabSize);
  const weights = new TracedWeights(checkpoint.config, biasedIn(checkpoint), (name) => name);
  const model = (await imageTextArchitecture(checkpoint)).open(weights);
  await writeJson(join(out, "preprocessor_config.json"), processorOf(model.image.config.imageSize));
  const processor = processorFor(out, model.image.config);
  const rows = rowsOf(allPairs, options.batch);
  const pairs = options.shuffled ? shuffledPairs(allPairs, options.seed) : allPairs;
  const { temperature } = options;
  const loss = (g: Graph) => pairLoss(g, { model, weights, rows, temperature });
  return { weights, loss, model, checkpoint, tokenizer, processor, pairs, rows };
}

/** The batches of the steps from `from` on. Earlier batches are drawn, but without reading their pictures. */
async function* batchesFrom(
  { pairs, rows, ...reader }: PairData,
  seed: number,
  from: number,
): AsyncGenerator<WholeBatch, never> {
  const batches = batchesOf(pairs, rows, seed);
  for (let step = 0; step < from; step++) batches.next();
  for (;;) {
    const { inputs, longest, tokens } = await pairInputs(batches.next().value, reader);
    const sizes = { tokens: longest, kept: tokens };
    yield { inputs, sizes, tokens: tokens + rows * reader.model.image.tokens, samples: rows };
  }
}

/** True for projections with a bias: all inside a layer and, after the encoders, only SigLIP's text projection. */
const biasedIn =
  ({ architecture }: Checkpoint) =>
  (name: string): boolean =>
    /\.(attn|ffn)_\w+\.bias$/.test(name) || (architecture === "siglip" && name === "t.projection.bias");

function newCheckpoint(architecture: JsonObject, vocabulary: number): HuggingFaceCheckpoint {
  const text = architecture["text_config"] ?? {};
  if (typeof text !== "object" || Array.isArray(text))
    throw new UserError("architecture: text_config: expected an object", 2);
  const { model_type: name = "clip" } = architecture;
  if (typeof name !== "string") throw new UserError("architecture: model_type: expected a string", 2);
  const config = { ...architecture, model_type: name, text_config: { ...text, vocab_size: vocabulary } };
  return {
    ...{ path: "architecture", files: [], architecture: name, tensors: new Map() },
    config: { kind: "huggingface", path: "architecture", config },
    ...{ floats: none, form: none, blocks: none },
  };
}

function none(): never {
  throw new Error("a new model's checkpoint has no tensors");
}

/** Settings for square pictures with pixels between −1 and 1. */
const processorOf = (side: number): JsonObject => ({
  ...{ do_resize: true, size: { height: side, width: side }, resample: 3, do_center_crop: false },
  ...{ do_rescale: true, rescale_factor: 1 / 255, do_normalize: true },
  ...{ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], image_processor_type: "CLIPImageProcessor" },
});

/** Fills parameters with random values. */
function fillNew(store: ParameterStore, { image }: ImageText, seed: number): void {
  fillByWidth(store, image.config.layers, seed);
  for (const parameter of store.parameters)
    if (parameter.name === "logit_bias") store.valuesOf(parameter).fill(FIRST_BIAS);
}

/** Fills parameters from a checkpoint. @throws UserError if a tensor is missing or has another shape */
async function fillFrom(store: ParameterStore, checkpoint: Checkpoint): Promise<void> {
  const names = (await imageTextArchitecture(checkpoint)).tensors(checkpoint);
  for (const parameter of store.parameters)
    store.valuesOf(parameter).set(new Part(checkpoint, names, parameter.name, parameter.shape).floats());
}

async function write(
  { checkpoint, model }: Pick<NewPairs, "checkpoint" | "model">,
  store: ParameterStore,
  temperature: number,
  out: string,
): Promise<void> {
  // transformers stores CLIP's scale as a number, SigLIP's as a list of one number.
  const shape = model.traits.activation === "softmax" ? [] : [1];
  const scaled: WritableTensor = { shape, values: () => Float32Array.of(-Math.log(temperature)) };
  const trained = store.parameters.map((p): [string, WritableTensor] => [
    p.name,
    { shape: p.shape, values: () => store.valuesOf(p).slice() },
  ]);
  return writeModel(out, {
    config: checkpoint.config.config,
    names: (await imageTextArchitecture(checkpoint)).tensors(checkpoint),
    tensors: new Map([...trained, ["logit_scale", scaled]]),
  });
}
