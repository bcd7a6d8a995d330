import { z } from "zod";
import { UserError } from "../../../util/errors.ts";
import type { Node } from "./forest.ts";
import { formatPattern } from "./formats.ts";
import type { Json } from "./json.ts";
import type { Keywords } from "./keywords.ts";
import { patternNode } from "./pattern.ts";

/** The strings that match a schema. @throws UserError for keywords that cannot be satisfied or enforced */
export function stringNode(json: Json, { minLength = 0, maxLength, pattern, format }: Keywords): Node {
  const lengths = { min: minLength, max: maxLength ?? Number.POSITIVE_INFINITY };
  if (lengths.min > lengths.max) throw new UserError(`"minLength" is above "maxLength"`);
  const named = format === undefined ? undefined : formatPattern(format);
  const source = pattern !== undefined && !(named && isZods(pattern)) ? pattern : named;
  if (source !== undefined) return json.string(patternNode(json, source, lengths));
  return json.string(json.forest.repeat(json.char, lengths.min, lengths.max));
}

/** True if zod added this pattern to a format of the same meaning; grammars often cannot express the pattern. */
const isZods = (pattern: string): boolean => zodsPatterns().has(pattern);

let known: ReadonlySet<unknown> | undefined;
function zodsPatterns(): ReadonlySet<unknown> {
  const types = [
    z.email(),
    z.uuid(),
    z.uuidv4(),
    z.ipv4(),
    z.ipv6(),
    z.iso.date(),
    z.iso.time(),
    z.iso.datetime(),
    z.iso.duration(),
  ];
  known ??= new Set(types.map((type) => z.toJSONSchema(type).pattern));
  return known;
}
