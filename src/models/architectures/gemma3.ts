import type { ConfigSource } from "../../weights/checkpoint.ts";
import { decoder } from "../architecture.ts";
import { Fields } from "../config/fields.ts";
import { readLocalRope, readRope } from "../config/rope.ts";
import { isSliding, slidingPattern, slidingWindow } from "../config/window.ts";
import { headSizeOf } from "../decoder/decoder.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { gemmaNames, readGemma } from "./gemma2.ts";

/** Gemma 3, text (Gemma Team 2025): most layers have a window and another rotary base; heads are normalised. */
export const gemma3 = decoder("gemma3", {
  scheme: gemmaNames,
  unread: /^(model\.)?(vision_tower|multi_modal_projector)\./,
  defaults: { rms_norm_eps: 1e-6, rope_theta: 1e6 },
  configure(whole) {
    if (isEmbedder(whole.source)) return embedder(new Fields(whole.source, EMBEDDER));
    const fields = whole.part("text_config", TEXT);
    // In a model with images, the text part always generates text.
    if (fields !== whole) fields.only("use_bidirectional_attention", [false]);
    // EmbeddingGemma (Vera et al. 2025), whose tokens see whole texts.
    const bothWays = fields.flag("use_bidirectional_attention");
    const wholeImages = whole.object("vision_config") !== undefined;
    return readGemma(fields, (base) => ({
      ...layerKinds(fields, base),
      ...(wholeImages && { wholeImages }),
      ...(bothWays && { bothWays }),
    }));
  },
});

/** GGUF's name for EmbeddingGemma. */
const EMBEDDER = "gemma-embedding";

const isEmbedder = (source: ConfigSource): boolean =>
  source.kind === "gguf" && source.metadata.string("general.architecture") === EMBEDDER;

const embedder = (fields: Fields): TransformerConfig =>
  readGemma(fields, (base) => ({ ...layerKinds(fields, base), bothWays: true }));

/** transformers' defaults for the text part of a model with images, for configurations that omit them, such as 4B's and 12B's. */
const TEXT = {
  ...{ vocab_size: 262208, num_attention_heads: 8, num_key_value_heads: 4, head_dim: 256, query_pre_attn_scalar: 256 },
  ...{ max_position_embeddings: 131072, rms_norm_eps: 1e-6, rope_theta: 1e6, sliding_window: 4096 },
};

function layerKinds(fields: Fields, config: TransformerConfig): Partial<TransformerConfig> {
  const slides = slidingPattern(fields, 6);
  const local = isSliding(fields, slides);
  const { context } = config;
  const headSize = headSizeOf(config);
  const far = readRope(fields, headSize, context, "full_attention", true);
  const near = readLocalRope(fields, headSize, context);
  return { headNorm: "head", window: slidingWindow(fields, slides), rope: (layer) => (local(layer) ? near : far) };
}
