import { UserError } from "../../util/errors.ts";
import type { Node } from "./forest.ts";
import { type Json, PLAIN } from "./json.ts";
import type { Keywords, Schema } from "./keywords.ts";
import { utf8Node, without } from "./points.ts";
import type { SchemaReader } from "./schema.ts";

interface Member {
  readonly node: Node;
  readonly required: boolean;
}

/**
 * Objects of a schema: its properties in their order, then others where the schema says that there may be or names none. An object that says
 * nothing of others has none: that is still one of those the schema takes. @throws UserError for what cannot be met or enforced
 */
export function objectNode(reader: SchemaReader, words: Keywords, place: string): Node {
  const { properties = {}, required = [], minProperties = 0, maxProperties } = words;
  const { json } = reader;
  const names = [...new Set([...Object.keys(properties), ...required])];
  const members = names.map((name): Member => {
    const own = Object.hasOwn(properties, name) ? properties[name]! : (words.additionalProperties ?? true);
    const value = reader.node(own, `${place}/properties/${name}`);
    return { node: json.member(json.literal(name), value), required: required.includes(name) };
  });
  const needed = members.filter((member) => member.required).length;
  if (minProperties > needed)
    throw new UserError(`"minProperties" above the number of required properties cannot be enforced`);
  const most = maxProperties ?? Number.POSITIVE_INFINITY;
  if (most < needed) throw new UserError(`"maxProperties" is below the number of required properties`);
  // Those that may be left out are, where not all have room.
  const kept = members.length > most ? members.filter((member) => member.required) : members;
  const other = otherMember(reader, words, names, place);
  return json.braced(body(json, kept, other, most - kept.length));
}

/** A member of another name. */
function otherMember(reader: SchemaReader, words: Keywords, names: readonly string[], place: string): Node {
  const { json } = reader;
  const { additionalProperties = names.length === 0, propertyNames } = words;
  const value = reader.node(additionalProperties as Schema, `${place}/additionalProperties`);
  if (value.kind === "none") return value;
  if (propertyNames === undefined)
    return json.member(names.length === 0 ? json.string() : otherName(json, names), value);
  if (names.length > 0) throw new UserError(`"propertyNames" beside "properties" or "required" cannot be enforced`);
  const key = typeof propertyNames === "object" ? { type: "string", ...propertyNames } : propertyNames;
  return json.member(reader.node(key, `${place}/propertyNames`), value);
}

/** Members in their order, those that are not required each there or not, then others. */
function body(json: Json, members: readonly Member[], other: Node, most: number): Node {
  const { forest } = json;
  const others = forest.repeat(json.further(other), 0, most);
  const onlyOthers = json.list(other, 0, most);
  const { fresh } = members.reduceRight(
    ({ begun, fresh }, { node, required }) => {
      const here = forest.seq(json.further(node), begun);
      const first = forest.seq(node, begun);
      return required
        ? { begun: here, fresh: first }
        : { begun: forest.alt([here, begun]), fresh: forest.alt([first, fresh]) };
    },
    { begun: others, fresh: onlyOthers },
  );
  return fresh;
}

/** A key that is none of `names`, written without escapes, so that it can be told. */
function otherName(json: Json, names: readonly string[]): Node {
  const { forest } = json;
  const any = forest.seq(forest.repeat(utf8Node(forest, PLAIN), 0), json.quote);
  const apartFrom = (rests: readonly (readonly number[])[]): Node => {
    const firsts = [...new Set(rests.flatMap(([first]) => first ?? []))];
    const end = rests.some((rest) => rest.length === 0) ? forest.none : json.quote;
    const other = without(
      PLAIN,
      firsts.map((point) => [point, point] as const),
    );
    const following = firsts.map((point) =>
      forest.seq(
        utf8Node(forest, [[point, point]]),
        apartFrom(rests.filter(([first]) => first === point).map(([, ...rest]) => rest)),
      ),
    );
    return forest.alt([end, forest.seq(utf8Node(forest, other), any), ...following]);
  };
  const written = names.map((name) => Array.from(name, (c) => c.codePointAt(0)!));
  return forest.seq(json.quote, apartFrom(written));
}
