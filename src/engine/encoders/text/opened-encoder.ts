import path from "node:path";
import type { Graph } from "../../../graph/index.ts";
import type { Encoder } from "../../../models/encoder/encoder.ts";
import { traceEmbedding, traceScores, traceTokens } from "../../../models/encoder/encoder-graphs.ts";
import { openEncoder } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import type { Lora } from "../../../weights/adapter/lora.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import type { Quant, Weights } from "../../../weights/prepared/weights.ts";
import { type ClassifierSettings, readClassifier } from "./classifier.ts";
import { withDense } from "./dense-modules.ts";
import { type LateSettings, readLate } from "./late-files.ts";
import { PLAIN, readSentenceSettings, type SentenceSettings, sentenceMetadata } from "./sentence-files.ts";

/** An encoder and its purpose by its files, before any weights are read. */
export interface OpenedEncoder {
  readonly encoder: Encoder;
  readonly weights: Weights;
  readonly settings: SentenceSettings;
  /** Undefined: it embeds, or compares. */
  readonly classifier: ClassifierSettings | undefined;
  /** Set if it compares texts token by token. */
  readonly late: LateSettings | undefined;
  /** The graphs of its weights; it runs the last one. */
  trace(): Graph[];
}

/**
 * Opens an encoder; `layers`: uses only its first layers.
 * @throws UserError if its files need something unsupported, or it cannot embed with that many layers
 */
export async function openedEncoder(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant,
  adapter?: Lora,
  layers?: number,
): Promise<OpenedEncoder> {
  const late = lateOf(checkpoint);
  const whole = late?.dense ? withDense(checkpoint, [late.dense]) : checkpoint;
  const { encoder, weights } = await openEncoder(whole, folder, exact(quant, checkpoint), adapter);
  const { classifier: head, labels } = encoder.config;
  const classifies = weights.has(`${head.output}.weight`);
  // Adapters for all linear modules have one for BERT's pooler, too.
  if (!classifies) weights.loraLayers?.passOver(head.dense);
  const classifier = classifies ? readClassifier(checkpoint.config, labels) : undefined;
  const settings = late ? { ...PLAIN, limit: late.document.tokens } : settingsOf(checkpoint, classifies);
  const { pooling, normalise } = settings;
  if (layers !== undefined) checkLayers(checkpoint.path, layers, encoder.config.layers, classifies);
  const all = () => {
    if (late) return traceTokens(encoder, late.dense ? [late.dense] : []);
    return classifier ? traceScores(encoder) : traceEmbedding(encoder, pooling, normalise);
  };
  // Weights are prepared for all layers: models of one checkpoint share them, however many layers each runs.
  const trace = () => (layers === undefined ? [all()] : [all(), traceEmbedding(encoder, pooling, normalise, layers)]);
  return { encoder, weights, settings, classifier, late, trace };
}

function checkLayers(file: string, layers: number, most: number, classifies: boolean): void {
  if (classifies)
    throw new UserError(`${file} is a classifier, which reads all layers; expected a model of embeddings`);
  if (!Number.isInteger(layers) || layers < 1 || layers > most)
    throw new UserError(`${file} has ${most} layers, expected 1 to ${most} of them, got ${layers}`, 2);
}

function lateOf(checkpoint: Checkpoint): LateSettings | undefined {
  const { config } = checkpoint;
  return config.kind === "huggingface" ? readLate(path.dirname(config.path), checkpoint) : undefined;
}

/** A classifier's pooling is its head's own. */
function settingsOf({ config }: Checkpoint, classifies: boolean): SentenceSettings {
  if (config.kind === "huggingface") return readSentenceSettings(path.dirname(config.path));
  return classifies ? PLAIN : sentenceMetadata(config);
}

/** Vectors are compared with those computed elsewhere, so floats are not rounded by default. */
const exact = (quant: Quant, { config }: Checkpoint): Quant =>
  quant === "auto" && config.kind === "huggingface" ? "f32" : quant;
