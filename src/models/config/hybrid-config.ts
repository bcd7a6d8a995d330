import { numbersByLayer } from "./config.ts";
import type { Fields } from "./fields.ts";

/** The names that config.json's `layer_types` uses for a hybrid's layers. */
interface LayerTypes {
  readonly attention: readonly string[];
  readonly recurrent: readonly string[];
}

/**
 * Returns which layers of a hybrid have attention; in a GGUF, layers with key–value heads.
 * @throws UserError unless `layer_types` contains one of these names for each layer
 */
export function readAttending(fields: Fields, layers: number, types: LayerTypes): (layer: number) => boolean {
  if (fields.gguf) {
    const heads = numbersByLayer(fields, "attention.head_count_kv");
    return (layer) => heads === undefined || heads[layer]! > 0;
  }
  const listed = fields.list("layer_types");
  const known = [...types.attention, ...types.recurrent];
  const isKnown = (type: unknown): type is string => known.some((name) => name === type);
  if (listed?.length !== layers || !listed.every(isKnown))
    return fields.refuse("layer_types", listed, `${layers} of ${known.map((name) => `"${name}"`).join(", ")}`);
  return (layer) => types.attention.includes(listed[layer]!);
}
