import { type Cost, evalCost, type Graph } from "../graph/index.ts";
import type { Decoder, DecoderConfig } from "../models/decoder.ts";
import { firstKept, kvBytes } from "../models/kv-group.ts";
import { isEncoder, isSeq2Seq, openDecoder, openSeq2Seq } from "../models/registry.ts";
import { traceDense } from "../models/segments.ts";
import { traceDecoded, traceSource } from "../models/seq2seq-graphs.ts";
import { pastSizes } from "../models/window-start.ts";
import type { Seam } from "../savings/seams.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { Quant, Weights } from "../weights/prepared/weights.ts";
import { openedEncoder } from "./opened-encoder.ts";
import type { SentenceSettings } from "./sentence-files.ts";

/** Where in a decoder the engine lets a saving act. */
const openSeams: readonly Seam[] = ["attention", "between layers"];

/** Of one token: the first, and the last of the context; of a model that reads texts whole, the mean over a text of one token and of the context. */
export interface Flops {
  readonly empty: number;
  readonly full: number;
}

/** What is told of a model, as its kind has it. */
export interface Described {
  readonly kind: "decoder" | "encoder" | "encoder with a decoder";
  /** `layers` are the decoder's where there are both. */
  readonly config: Pick<
    DecoderConfig,
    "layers" | "hidden" | "heads" | "kvHeads" | "headSize" | "vocabulary" | "context"
  > & { readonly encoderLayers?: number };
  readonly weights: Weights;
  /** Keys and values of one sequence at full context, in bytes. */
  readonly cache: number;
  readonly seams: readonly Seam[];
  /** What savings act in, where there are seams. */
  readonly decoder?: Decoder;
  /** How a text becomes a vector, of a model of embeddings. */
  readonly embedding?: Pick<SentenceSettings, "pooling" | "normalise" | "limit">;
  /** Of a classifier. */
  readonly labels?: readonly string[];
  /** All that runs. */
  trace(): Graph[];
  /** By the costs of what was traced. */
  flops(costs: readonly Cost[]): { flopsPerToken: Flops; sourceFlopsPerToken?: Flops };
}

/** Opens a model to tell of it. @throws UserError when it is none that runs */
export function describedAs(checkpoint: Checkpoint, folder: string, quant: Quant): Described {
  if (isEncoder(checkpoint)) return encoder(checkpoint, folder, quant);
  return isSeq2Seq(checkpoint) ? seq2seq(checkpoint, folder, quant) : decoder(checkpoint, folder, quant);
}

function decoder(checkpoint: Checkpoint, folder: string, quant: Quant): Described {
  const { decoder, weights } = openDecoder(checkpoint, folder, quant);
  const { context } = decoder.config;
  const step = (costs: readonly Cost[], past: number) =>
    costs.reduce(
      (sum, cost) => sum + evalCost(cost, { batch: 1, tokens: 1, ...pastSizes(decoder.config, past) }).flops,
      0,
    );
  return {
    kind: "decoder",
    config: sizesOf(decoder.config),
    weights,
    cache: cacheBytes(decoder.config),
    ...{ seams: openSeams, decoder },
    trace: () => traceDense(decoder),
    flops: (costs) => ({ flopsPerToken: { empty: step(costs, 0), full: step(costs, context - 1) } }),
  };
}

function encoder(checkpoint: Checkpoint, folder: string, quant: Quant): Described {
  const { encoder, settings, classifier, trace } = openedEncoder(checkpoint, folder, quant);
  const { pooling, normalise, limit } = settings;
  return {
    kind: "encoder",
    config: sizesOf(encoder.config),
    weights: encoder.weights,
    ...{ cache: 0, seams: [] },
    ...(classifier ? { labels: classifier.labels } : { embedding: { pooling, normalise, limit } }),
    trace,
    flops: ([cost]) => ({ flopsPerToken: whole(cost!, encoder.config.context) }),
  };
}

function seq2seq(checkpoint: Checkpoint, folder: string, quant: Quant): Described {
  const model = openSeq2Seq(checkpoint, folder, quant);
  const { encoderLayers, context } = model.config;
  const step = (cost: Cost, source: number) => evalCost(cost, { batch: 1, tokens: 1, past: source - 1, source }).flops;
  return {
    kind: "encoder with a decoder",
    config: { ...sizesOf(model.config), encoderLayers },
    weights: model.weights,
    // Of what it wrote, and of what it reads.
    cache: 2 * cacheBytes(model.config),
    seams: [],
    trace: () => [traceSource(model), traceDecoded(model)],
    flops: ([source, target]) => ({
      flopsPerToken: { empty: step(target!, 1), full: step(target!, context) },
      sourceFlopsPerToken: whole(source!, context),
    }),
  };
}

function whole(cost: Cost, context: number): Flops {
  const text = (tokens: number) => evalCost(cost, { batch: 1, tokens, kept: tokens }).flops / tokens;
  return { empty: text(1), full: text(context) };
}

const cacheBytes = (config: DecoderConfig): number =>
  kvBytes(config, { from: 0, to: config.layers }, config.context, firstKept(config, config.context));

const sizesOf = ({ layers, hidden, heads, kvHeads, headSize, vocabulary, context }: Described["config"]) => ({
  ...{ layers, hidden, heads, kvHeads, headSize, vocabulary, context },
});
