import { decoder } from "./architecture.ts";
import type { Fields } from "./fields.ts";
import { gemmaNames, readGemma } from "./gemma.ts";
import { readLocalRope, readRope } from "./rope.ts";
import type { TransformerConfig } from "./transformer.ts";
import { isSliding, slidingWindow } from "./window.ts";

/** Gemma 3, text (Gemma Team 2025): most layers look back over a window, with a rotary base of their own; heads are normalised. */
export const gemma3 = decoder("gemma3", {
  also: ["gemma3_text"],
  scheme: gemmaNames,
  configure(fields) {
    fields.only("use_bidirectional_attention", [false]);
    return readGemma(fields, (base) => layerKinds(fields, base));
  },
});

function layerKinds(fields: Fields, { headSize, context }: TransformerConfig): Partial<TransformerConfig> {
  const every = fields.number("attention.sliding_window_pattern", "sliding_window_pattern", 6);
  const slides = (layer: number) => (layer + 1) % every !== 0;
  const local = isSliding(fields, slides);
  const far = readRope(fields, headSize, context, "full_attention");
  const near = readLocalRope(fields, headSize, context);
  return { headNorm: "head", window: slidingWindow(fields, slides), rope: (layer) => (local(layer) ? near : far) };
}
