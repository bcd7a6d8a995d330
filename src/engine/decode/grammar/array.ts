import { UserError } from "../../../util/errors.ts";
import type { Node } from "./forest.ts";
import type { Keywords, Schema } from "./keywords.ts";
import type { SchemaReader } from "./schema.ts";

/** Returns the lists that match a schema. @throws UserError for unsatisfiable keywords */
export function arrayNode(reader: SchemaReader, words: Keywords, place: string): Node {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = words;
  const [prefix, prefixItems, items = words.unevaluatedItems ?? true] = itemsOf(words);
  if (minItems > maxItems) throw new UserError(`"minItems" is above "maxItems"`);
  const { json } = reader;
  const first = prefixItems.map((item, i) => reader.node(item, `${place}/${prefix}/${i}`)).slice(0, maxItems);
  const item = reader.node(items, `${place}/items`);
  const rest = (from: number) => json.forest.repeat(json.further(item), Math.max(0, minItems - from), maxItems - from);
  if (first.length === 0) return json.bracketed(json.list(item, minItems, maxItems));
  return json.bracketed(places(reader, first, minItems, rest(first.length)));
}

/** The keyword for items by position, their schemas, and the schema for items after them. */
const itemsOf = ({ items, prefixItems = [], additionalItems }: Keywords) =>
  Array.isArray(items)
    ? (["items", items, additionalItems] as const)
    : (["prefixItems", prefixItems, items as Schema | undefined] as const);

/** Items by position: items from `min` on are optional, together with all that follow. */
function places({ json }: SchemaReader, first: readonly Node[], min: number, rest: Node): Node {
  const { forest } = json;
  return first.reduceRight((after, item, place) => {
    const here = forest.seq(place === 0 ? item : json.further(item), after);
    return place >= min ? forest.optional(here) : here;
  }, rest);
}
