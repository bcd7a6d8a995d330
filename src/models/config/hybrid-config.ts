import { numbersByLayer } from "./config.ts";
import type { Fields } from "./fields.ts";

/** The names of a hybrid's layers in config.json's `layer_types`. */
interface LayerTypes {
  readonly attention: readonly string[];
  readonly recurrent: readonly string[];
}

/**
 * The layers of a hybrid that have attention; in a GGUF, those with key–value heads.
 * @throws UserError unless `layer_types` has one of these names for each layer
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
