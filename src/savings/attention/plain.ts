import type { Decoder } from "../../models/decoder.ts";
import { attentionKind } from "../../models/segments.ts";
import { UserError } from "../../util/errors.ts";

/** What of a decoder's attention is other than causal softmax over all keys, alike in every layer; undefined: nothing. */
export function peculiarity(decoder: Decoder): string | undefined {
  const { window, softcap, rotated, scale, headSize } = decoder.attention(0);
  const kinds = new Set(Array.from({ length: decoder.config.layers }, (_, l) => attentionKind(decoder, l)));
  if (kinds.size > 1) return "attention that differs between layers";
  if (window !== undefined) return "a sliding window";
  if (decoder.config.stretchedBeyond !== undefined) return "rotary factors that go by the length of a text";
  if (softcap !== undefined) return "capped attention scores";
  if (rotated !== undefined) return "heads that are rotated in part";
  if (Math.abs(scale * Math.sqrt(headSize) - 1) > 1e-6) return "an attention scale of its own";
  return undefined;
}

/** For savings that do attention their own way. @throws UserError when the model's attention is none that they can do */
export function requirePlainAttention(saving: string, decoder: Decoder): void {
  const found = peculiarity(decoder);
  if (found !== undefined) throw new UserError(`${saving} does not serve this model: it has ${found}`);
}
