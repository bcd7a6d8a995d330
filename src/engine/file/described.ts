import { type Cost, evalCost, type Graph } from "../../graph/index.ts";
import type { Decoder, DecoderConfig } from "../../models/decoder/decoder.ts";
import { firstKept } from "../../models/state/kv-group.ts";
import { sequenceBytes } from "../../models/state/state-groups.ts";
import type { Seam } from "../../savings/seams.ts";
import type { Weights } from "../../weights/prepared/weights.ts";
import type { LateSettings } from "../encoders/text/late-files.ts";
import type { SentenceSettings } from "../encoders/text/sentence-files.ts";

/**
 * FLOPs of the first token, and of the last token of a full context. For a model that reads whole texts: the mean per
 * token in a text of one token, and in a text that fills the context.
 */
export interface Flops {
  readonly empty: number;
  readonly full: number;
}

/** A model's image encoder. */
export interface DescribedImages extends Pick<DecoderConfig, "layers" | "hidden" | "heads" | "headSize"> {
  /** Pixels per side of an image, and of a patch. */
  readonly imageSize: number;
  readonly patchSize: number;
  /** The number of tokens of an image. */
  readonly tokens: number;
  /** The image that has these sizes: one tile, or one example if images may have any size; by default, every image. */
  readonly of?: "tile" | "example";
}

/** The images that a model draws. */
interface DescribedDrawings {
  /** Pixels per side. */
  readonly imageSize: number;
  readonly channels: number;
  /** The number of noise steps in training. */
  readonly steps: number;
}

/** The part of a model's description that its kind provides. */
export interface KindFacts {
  /** `layers` is the number of decoder layers if the model also has an encoder. */
  readonly config: Pick<
    DecoderConfig,
    "layers" | "hidden" | "heads" | "kvHeads" | "headSize" | "vocabulary" | "context"
  > & { readonly encoderLayers?: number };
  /** The image encoder; if present, `config` describes the text part. */
  readonly image?: DescribedImages;
  /** Set if the model generates images. */
  readonly drawn?: DescribedDrawings;
  readonly weights: Weights;
  /** Keys and values, or states, of one sequence at full context, in bytes. */
  readonly cache: number;
  readonly seams: readonly Seam[];
  /** The decoder on which savings act; absent if the model has no seams. */
  readonly decoder?: Decoder;
  /** The steps from a text to its vector, for an embedding model. */
  readonly embedding?: Pick<SentenceSettings, "pooling" | "normalise" | "limit">;
  /** The token-by-token comparison of texts, with vectors of this width. */
  readonly compared?: { readonly width: number } & Pick<LateSettings, "query" | "document">;
  /** The labels of a classifier. */
  readonly labels?: readonly string[];
  /** Traces all graphs that run. */
  trace(): Graph[];
  /** Computes FLOPs from the costs of the traced graphs. */
  flops(costs: readonly Cost[]): {
    flopsPerToken: Flops;
    sourceFlopsPerToken?: Flops;
    flopsPerImage?: number;
  };
}

/** FLOPs per token, from the cost of a graph that reads whole texts. */
export function wholeTexts(cost: Cost, context: number): Flops {
  const text = (tokens: number) => evalCost(cost, { batch: 1, tokens, kept: tokens }).flops / tokens;
  return { empty: text(1), full: text(context) };
}

/** Keys and values, or states, of one sequence at full context. */
export const cacheBytes = (config: DecoderConfig): number =>
  sequenceBytes(config, config.context, firstKept(config, config.context));

export const sizesOf = ({ layers, hidden, heads, kvHeads, headSize, vocabulary, context }: KindFacts["config"]) => ({
  ...{ layers, hidden, heads, kvHeads, headSize, vocabulary, context },
});
