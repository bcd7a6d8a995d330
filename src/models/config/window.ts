import type { Fields } from "./fields.ts";

/** The layers that attend to everything: from `layer_types` if the configuration has it, else from `slides`. */
export function isSliding(fields: Fields, slides: (layer: number) => boolean): (layer: number) => boolean {
  const types = fields.list("layer_types");
  if (types === undefined) return slides;
  const known = ["full_attention", "sliding_attention"];
  for (const type of types)
    if (!known.some((k) => k === type)) fields.refuse("layer_types", type, '"full_attention" or "sliding_attention"');
  return (layer) => types[layer] === "sliding_attention";
}

/** A layer's window; undefined if it sees everything. */
export function slidingWindow(
  fields: Fields,
  slides: (layer: number) => boolean,
): (layer: number) => number | undefined {
  const window = fields.optional("attention.sliding_window", "sliding_window");
  if (window === undefined) return () => undefined;
  if (!Number.isInteger(window) || window < 1) fields.refuse("sliding_window", window, "a whole number above 0");
  const sliding = isSliding(fields, slides);
  return (layer) => (sliding(layer) ? window : undefined);
}
