import type { Fields } from "./fields.ts";

/** Returns which layers have a window: from `layer_types` if present, else from `slides`. */
export function isSliding(fields: Fields, slides: (layer: number) => boolean): (layer: number) => boolean {
  const types = fields.list("layer_types");
  if (types === undefined) return slides;
  const known = ["full_attention", "sliding_attention"];
  for (const type of types)
    if (!known.some((k) => k === type)) fields.refuse("layer_types", type, '"full_attention" or "sliding_attention"');
  return (layer) => types[layer] === "sliding_attention";
}

/** Returns which layers have a window in a GGUF's list; undefined if there is no list. */
export function listedSliding({ source, architecture }: Fields): ((layer: number) => boolean) | undefined {
  const listed =
    source.kind === "gguf" ? source.metadata.get(`${architecture}.attention.sliding_window_pattern`) : undefined;
  return Array.isArray(listed) ? (layer) => listed[layer] === true : undefined;
}

/** Returns which layers have a window: all but every `usual`-th, or layers with an L in a pattern of L and G. */
export function slidingPattern(fields: Fields, usual: number): (layer: number) => boolean {
  const key = "sliding_window_pattern";
  const letters = fields.value(key);
  if (typeof letters === "string") {
    if (!/^[LG]+$/.test(letters)) fields.refuse(key, letters, "a whole number above 0, or letters L and G");
    return (layer) => letters[layer % letters.length] === "L";
  }
  const listed = listedSliding(fields);
  if (listed) return listed;
  const every = fields.number(`attention.${key}`, key, usual);
  if (!Number.isInteger(every) || every < 1) fields.refuse(key, every, "a whole number above 0, or letters L and G");
  return (layer) => (layer + 1) % every !== 0;
}

/** The length of a layer's window; undefined for full attention. */
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
