import path from "node:path";
import type { Graph } from "../../../graph/index.ts";
import { Encoder, type TextEncoder } from "../../../models/encoder/encoder.ts";
import { traceEmbedding, traceScores, traceTokens } from "../../../models/encoder/encoder-graphs.ts";
import { openTextEncoder } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import type { Lora } from "../../../weights/adapter/lora.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import type { Quant, Weights } from "../../../weights/prepared/weights.ts";
import { type ClassifierSettings, readClassifier } from "./classifier.ts";
import { storedDense, withDense } from "./dense-modules.ts";
import { type LateSettings, readLate } from "./late-files.ts";
import { PLAIN, readSentenceSettings, type SentenceSettings, sentenceMetadata } from "./sentence-files.ts";

/** An encoder and its purpose, from its files, before any weights are read. */
export interface OpenedEncoder {
  readonly encoder: TextEncoder;
  readonly weights: Weights;
  readonly settings: SentenceSettings;
  /** A classifier's settings; undefined for an encoder that embeds or compares texts. */
  readonly classifier: ClassifierSettings | undefined;
  /** Set if the encoder compares texts token by token. */
  readonly late: LateSettings | undefined;
  /** The length of a vector, or the number of a classifier's scores. */
  readonly width: number;
  /** The graphs for which the weights are prepared; only the last graph runs. */
  trace(): Graph[];
}

/**
 * Opens an encoder, or only its first `layers` layers.
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
  const sentences = late ? { ...PLAIN, limit: late.document.tokens, dense: late.dense } : sentencesOf(checkpoint);
  const dense = sentences?.dense ?? storedDense(checkpoint);
  const whole = withDense(checkpoint, dense);
  const { encoder, weights } = await openTextEncoder(whole, folder, exact(quant, checkpoint), adapter);
  const headed = encoder instanceof Encoder && weights.has(`${encoder.config.classifier.output}.weight`);
  // Adapters for all linear modules include BERT's pooler, which embedding does not use.
  if (encoder instanceof Encoder && !headed) weights.loraLayers?.passOver(encoder.config.classifier.dense);
  const classifier = headed ? readClassifier(checkpoint.config, encoder.config.labels) : undefined;
  // A classifier's pooling belongs to its head.
  const settings = sentences ?? (headed ? PLAIN : metadataOf(checkpoint));
  const { pooling, normalise } = settings;
  if (layers !== undefined) checkLayers(checkpoint.path, layers, encoder.config.layers, headed);
  const vector = (first?: number) => traceEmbedding(encoder, pooling, normalise, first, dense);
  const all = () => {
    if (late) return traceTokens(encoder, dense);
    return headed ? traceScores(encoder) : vector();
  };
  // Weights are prepared for all layers, because models of one checkpoint share them, however many layers each runs.
  const trace = () => (layers === undefined ? [all()] : [all(), vector(layers)]);
  const width = headed ? encoder.config.labels : (dense.at(-1)?.outputs ?? encoder.config.hidden);
  return { encoder, weights, settings, classifier, late, width, trace };
}

function checkLayers(file: string, layers: number, most: number, classifies: boolean): void {
  if (classifies) throw new UserError(`${file} is a classifier, which reads all layers; expected an embedding model`);
  if (!Number.isInteger(layers) || layers < 1 || layers > most)
    throw new UserError(`${file} has ${most} layers, expected 1 to ${most} of them, got ${layers}`, 2);
}

function lateOf(checkpoint: Checkpoint): LateSettings | undefined {
  const { config } = checkpoint;
  return config.kind === "huggingface" ? readLate(path.dirname(config.path), checkpoint) : undefined;
}

/** Settings from sentence-transformers' files; undefined for a GGUF. */
function sentencesOf({ config }: Checkpoint): SentenceSettings | undefined {
  return config.kind === "huggingface" ? readSentenceSettings(path.dirname(config.path)) : undefined;
}

const metadataOf = ({ config }: Checkpoint): SentenceSettings =>
  config.kind === "gguf" ? sentenceMetadata(config) : PLAIN;

/** Results are compared with vectors computed elsewhere, so floats are not rounded by default. */
const exact = (quant: Quant, { config }: Checkpoint): Quant =>
  quant === "auto" && config.kind === "huggingface" ? "f32" : quant;
