import { type Decoder, firstAttention, layersOf } from "../../models/decoder/decoder.ts";
import { attentionKind } from "../../models/programs/segments.ts";
import { UserError } from "../../util/errors.ts";

/**
 * The reason why a decoder's attention is not plain; undefined if it is. Plain attention is a causal softmax over all
 * keys, the same in every attention layer.
 */
export function unsupportedAttention(decoder: Decoder): string | undefined {
  const attending = layersOf(decoder.config, "attention");
  if (attending.length === 0) return "recurrent layers, which have no attention";
  const { window, softcap, rotated, scale, headSize, sinks } = firstAttention(decoder);
  if (sinks) return "attention sinks";
  const kinds = new Set(attending.map((layer) => attentionKind(decoder, layer)));
  if (kinds.size > 1) return "attention that differs between layers";
  if (window !== undefined) return "a sliding window";
  if (decoder.config.longRopeBeyond !== undefined) return "rotary factors that depend on the text's length";
  if (softcap !== undefined) return "capped attention scores";
  if (rotated !== undefined) return "partly rotated heads";
  if (Math.abs(scale * Math.sqrt(headSize) - 1) > 1e-6) return "a custom attention scale";
  if (decoder.config.wholeImages) return "images whose tokens see each other in both directions";
  return undefined;
}

/** @throws UserError if the model's positions have several axes, which a calibration does not support */
export function requireOneAxis(saving: string, { config }: Decoder): void {
  if (config.axes) throw new UserError(`${saving} does not support this model: it has positions on three axes`, 2);
}

/** @throws UserError if the model's attention has features that the saving does not support */
export function requirePlainAttention(saving: string, decoder: Decoder): void {
  const reason = unsupportedAttention(decoder);
  if (reason !== undefined) throw new UserError(`${saving} does not support this model: it has ${reason}`, 2);
}
