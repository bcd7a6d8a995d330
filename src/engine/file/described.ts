import { type Cost, evalCost, type Graph } from "../../graph/index.ts";
import type { Decoder, DecoderConfig } from "../../models/decoder/decoder.ts";
import { firstKept } from "../../models/state/kv-group.ts";
import { sequenceBytes } from "../../models/state/state-groups.ts";
import type { Seam } from "../../savings/seams.ts";
import type { Weights } from "../../weights/prepared/weights.ts";
import type { LateSettings } from "../encoders/text/late-files.ts";
import type { SentenceSettings } from "../encoders/text/sentence-files.ts";

/**
 * FLOPs of one token: the first, and the last of the context. If a model reads texts whole: the mean over a text of one
 * token, and over one of the context's length.
 */
export interface Flops {
  readonly empty: number;
  readonly full: number;
}

/** The image encoder of a model that has one. */
export interface DescribedImages extends Pick<DecoderConfig, "layers" | "hidden" | "heads" | "headSize"> {
  /** Pixels of a side of an image, and of a patch. */
  readonly imageSize: number;
  readonly patchSize: number;
  /** Tokens of an image. */
  readonly tokens: number;
  /** The sizes belong to a tile, or to an example if images have any size; absent: to every image. */
  readonly of?: "tile" | "example";
}

/** The images that a model draws. */
interface DescribedDrawings {
  /** Pixels of a side. */
  readonly imageSize: number;
  readonly channels: number;
  /** Steps of noise that it was trained on. */
  readonly steps: number;
}

/** A model as its kind describes it. */
export interface Described {
  /** `layers` are the decoder's if there are both. */
  readonly config: Pick<
    DecoderConfig,
    "layers" | "hidden" | "heads" | "kvHeads" | "headSize" | "vocabulary" | "context"
  > & { readonly encoderLayers?: number };
  /** The part that reads images; `config` is then of the part that reads texts. */
  readonly image?: DescribedImages;
  /** Set for a model that draws. */
  readonly drawn?: DescribedDrawings;
  readonly weights: Weights;
  /** Keys and values, or states, of one sequence at full context, in bytes. */
  readonly cache: number;
  readonly seams: readonly Seam[];
  /** The decoder that savings act in; absent if there are no seams. */
  readonly decoder?: Decoder;
  /** The steps from a text to its vector, for a model of embeddings. */
  readonly embedding?: Pick<SentenceSettings, "pooling" | "normalise" | "limit">;
  /** How a model compares texts token by token, by vectors of this width. */
  readonly compared?: { readonly width: number } & Pick<LateSettings, "query" | "document">;
  /** The labels of a classifier. */
  readonly labels?: readonly string[];
  /** All that runs. */
  trace(): Graph[];
  /** FLOPs from the costs of the traced graphs. */
  flops(costs: readonly Cost[]): {
    flopsPerToken: Flops;
    sourceFlopsPerToken?: Flops;
    flopsPerImage?: number;
  };
}

/** FLOPs of a token, by the cost of a graph that reads texts whole. */
export function wholeTexts(cost: Cost, context: number): Flops {
  const text = (tokens: number) => evalCost(cost, { batch: 1, tokens, kept: tokens }).flops / tokens;
  return { empty: text(1), full: text(context) };
}

/** Keys and values, or states, of one sequence at full context. */
export const cacheBytes = (config: DecoderConfig): number =>
  sequenceBytes(config, config.context, firstKept(config, config.context));

export const sizesOf = ({ layers, hidden, heads, kvHeads, headSize, vocabulary, context }: Described["config"]) => ({
  ...{ layers, hidden, heads, kvHeads, headSize, vocabulary, context },
});
