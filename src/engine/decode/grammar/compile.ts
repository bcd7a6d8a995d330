import { UserError } from "../../../util/errors.ts";
import { Forest, type Node } from "./forest.ts";
import { Json } from "./json.ts";
import type { Schema } from "./keywords.ts";
import { regexNode } from "./pattern.ts";
import { SchemaReader } from "./schema.ts";
import { sound } from "./sound.ts";

/** The constraint on an answer: any JSON object, a JSON schema, or a regular expression for the entire answer. */
export type Format = "json" | Schema | RegExp;

/** The maximum number of nodes in a schema. */
const MOST_NODES = 2_000_000;

const tooLarge = () => new UserError("the schema is too large to enforce; simplify it");

/** The texts that a format accepts. @throws UserError if it accepts no text, or cannot be enforced */
export function compiled(format: Format): { forest: Forest; root: Node } {
  const forest = new Forest();
  return { forest, root: forest.within(MOST_NODES, tooLarge, () => sound(forest, nodeOf(forest, format))) };
}

function nodeOf(forest: Forest, format: Format): Node {
  if (format instanceof RegExp) return regexNode(forest, format);
  const json = new Json(forest);
  return format === "json" ? json.object : new SchemaReader(json, format).node(format, "#");
}
