import { join } from "node:path";
import { processorFor } from "../../engine/encoders/image-text/processor-for.ts";
import type { ImageProcessor } from "../../engine/images/pixels/processor.ts";
import type { Graph } from "../../graph/index.ts";
import type { ImageText } from "../../models/images/image-text.ts";
import { imageTextArchitecture } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeJson } from "../../util/write-whole.ts";
import { type Checkpoint, openCheckpoint } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../weights/json.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { WritableTensor } from "../../weights/safetensors/write.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { writeModel } from "../checkpoint/model.ts";
import type { HuggingFaceCheckpoint } from "../checkpoint/wider-checkpoint.ts";
import { wordTokenizer } from "../data/tokenizer.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import { receiptFile } from "../session/folder.ts";
import { type TrainingReceipt, trainingReceipt } from "../session/receipt.ts";
import type { ParameterStore } from "../step/parameters.ts";
import { rateAt } from "../step/schedule.ts";
import { writeTokenizer } from "../subject/new-tokens.ts";
import { fillByWidth } from "../whole/fill.ts";
import { meanOfFirst } from "../whole/mean-loss.ts";
import { type WholeModel, WholeTrainer } from "../whole/whole-trainer.ts";
import { batchesOf, type Pair, pairInputs, readPairs, rowsOf, shuffledPairs } from "./data.ts";
import { pairLoss } from "./loss.ts";
import type { PairOptions } from "./options.ts";

/** The outcome of a training of pairs. */
export interface PairsTrained {
  readonly out: string;
  readonly steps: number;
  /** Mean losses in nats of the first and the last tenth of the steps. */
  readonly loss: { readonly first: number; readonly last: number };
  readonly receipt: TrainingReceipt;
}

export interface PairsCall {
  /** The model's folder. */
  readonly out: string;
  readonly onStep?: (step: number, loss: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The bias of a SigLIP's logits before the first step (Zhai et al. 2023, section 3.2): nearly all pairs are wrong ones. */
const FIRST_BIAS = -10;

/**
 * Trains a CLIP or a SigLIP from random weights on pictures with captions, and writes it as a Hugging Face folder.
 * @throws UserError
 */
export async function trainPairs(options: PairOptions, call: PairsCall): Promise<PairsTrained> {
  const { out } = call;
  const started = performance.now();
  const { steps } = options;
  const run = await openRun(options, out);
  using trainer = await WholeTrainer.create(run, options.optimizer);
  if (options.start === undefined) fillNew(trainer.store, run.model, options.seed);
  else await fillFrom(trainer.store, openCheckpoint(options.start));
  const { losses, tokens } = await runSteps(run, trainer, options, call);
  await write(run, trainer.store, options.temperature, out);
  const work = { ...trainer.flops, denseBackward: trainer.flops.backward };
  const counted = { tokens, samples: run.rows * steps, steps, ms: performance.now() - started };
  const receipt = trainingReceipt(out, { ...work, ...counted });
  await writeJson(receiptFile(out), receipt);
  return { out, steps, loss: { first: meanOfFirst(losses), last: meanOfFirst(losses.toReversed()) }, receipt };
}

/** A run before its first step. */
interface PairsRun extends WholeModel {
  readonly model: ImageText;
  readonly checkpoint: HuggingFaceCheckpoint;
  readonly tokenizer: Tokenizer;
  readonly processor: ImageProcessor;
  readonly pairs: readonly Pair[];
  /** Pictures of a step. */
  readonly rows: number;
}

/** Opens the data and a new model; writes what a model's folder has beside its weights. */
async function openRun(options: PairOptions, out: string): Promise<PairsRun> {
  const given = readPairs(options.data);
  makeFolders(out);
  const captions = given.map(({ caption }) => caption);
  const tokenizer = await writeTokenizer(wordTokenizer(captions), { names: [] }, out);
  const checkpoint = newCheckpoint(options.architecture, tokenizer.vocabSize);
  const weights = new TracedWeights(checkpoint.config, biasedIn(checkpoint), (name) => name);
  const model = (await imageTextArchitecture(checkpoint)).open(weights);
  await writeJson(join(out, "preprocessor_config.json"), processorOf(model.image.config.imageSize));
  const processor = processorFor(out, model.image.config);
  const rows = rowsOf(given, options.batch);
  const pairs = options.shuffled ? shuffledPairs(given, options.seed) : given;
  const { temperature } = options;
  const loss = (g: Graph) => pairLoss(g, { model, weights, rows, temperature });
  return { weights, loss, model, checkpoint, tokenizer, processor, pairs, rows };
}

async function runSteps(
  { pairs, rows, tokenizer, processor, model }: PairsRun,
  trainer: WholeTrainer,
  { steps, seed, optimizer, schedule }: PairOptions,
  { onStep, signal }: PairsCall,
): Promise<{ losses: number[]; tokens: number }> {
  const batches = batchesOf(pairs, rows, seed);
  const losses: number[] = [];
  let tokens = 0;
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted();
    const batch = await pairInputs(batches.next().value, { model, tokenizer, processor });
    const rate = optimizer.lr * rateAt(schedule, step, steps);
    losses.push(await trainer.step(batch.inputs, rate, { tokens: batch.longest, kept: batch.tokens }));
    tokens += batch.tokens + rows * model.image.tokens;
    onStep?.(step + 1, losses.at(-1)!);
  }
  return { losses, tokens };
}

/** Every projection inside a layer has biases; of those behind the encoders, that of a SigLIP's texts has. */
const biasedIn =
  ({ architecture }: Checkpoint) =>
  (name: string): boolean =>
    /\.(attn|ffn)_\w+\.bias$/.test(name) || (architecture === "siglip" && name === "t.projection.bias");

function newCheckpoint(architecture: JsonObject, vocabulary: number): HuggingFaceCheckpoint {
  const text = architecture["text_config"] ?? {};
  if (typeof text !== "object" || Array.isArray(text)) throw new UserError("architecture: text_config is no object", 2);
  const { model_type: name = "clip" } = architecture;
  if (typeof name !== "string") throw new UserError("architecture: model_type is no text", 2);
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

/** Pixels between −1 and 1, of a square. */
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

/** Fills parameters with a checkpoint's. @throws UserError if one is missing or of another shape */
async function fillFrom(store: ParameterStore, checkpoint: Checkpoint): Promise<void> {
  const names = (await imageTextArchitecture(checkpoint)).tensors(checkpoint);
  for (const parameter of store.parameters)
    store.valuesOf(parameter).set(new Part(checkpoint, names, parameter.name, parameter.shape).floats());
}

async function write(
  { checkpoint, model }: PairsRun,
  store: ParameterStore,
  temperature: number,
  out: string,
): Promise<Promise<void>> {
  // transformers keeps a CLIP's scale as a number, a SigLIP's as a list of one.
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
