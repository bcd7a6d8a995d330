import { type Decoder, hasRecurrent } from "../../models/decoder/decoder.ts";

/** The reason a prompt's tokens cannot stop between two layers of a model; undefined if they can. */
export function unsupportedCut({ config }: Decoder): string | undefined {
  if (hasRecurrent(config)) return "recurrent layers, whose states need every token";
  const windowed = Array.from({ length: config.layers }, (_, l) => config.window?.(l)).some((w) => w !== undefined);
  if (windowed) return "a sliding window";
  if (config.longRopeBeyond !== undefined) return "rotary factors that depend on the text's length";
  if (config.wholeImages) return "images whose tokens see each other in both directions";
  return config.layers < 2 ? "a single layer" : undefined;
}
