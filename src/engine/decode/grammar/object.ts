import { UserError } from "../../../util/errors.ts";
import type { Node, Range } from "./forest.ts";
import { type Json, PLAIN } from "./json.ts";
import type { Keywords, Schema } from "./keywords.ts";
import { step } from "./pointer.ts";
import { has, utf8Node, without } from "./points.ts";
import type { SchemaReader } from "./schema.ts";
import { narrowed } from "./types.ts";

interface Member {
  readonly node: Node;
  readonly required: boolean;
}

/**
 * The objects that match a schema: its properties in order, then further properties if the schema allows them or names
 * none. If the schema does not mention further properties, none are written, which is always valid.
 * @throws UserError for keywords that cannot be satisfied or enforced
 */
export function objectNode(reader: SchemaReader, words: Keywords, place: string): Node {
  const { properties = {}, required = [], propertyNames } = words;
  const names = [...new Set([...Object.keys(properties), ...required])];
  if (propertyNames !== undefined && names.length > 0)
    throw new UserError(`"propertyNames" with "properties" or "required" cannot be enforced`);
  const others = words.additionalProperties ?? words.unevaluatedProperties;
  const members = names.map((name) => {
    const own = Object.hasOwn(properties, name) ? properties[name]! : (others ?? true);
    const value = reader.node(own, `${place}/properties/${step(name)}`);
    return { node: reader.json.member(reader.json.literal(name), value), required: required.includes(name) };
  });
  const [retained, more] = room(members, words);
  const value = reader.node(others ?? names.length === 0, `${place}/additionalProperties`);
  const key = propertyNames === undefined ? otherName(reader.json, names) : nameNode(reader, propertyNames, place);
  return reader.json.braced(body(reader.json, retained, reader.json.member(key, value), more));
}

const nameNode = (reader: SchemaReader, schema: Schema, place: string): Node =>
  reader.node(narrowed(schema, { type: ["string"] }), `${place}/propertyNames`);

/** The members to allow, without optional ones if not all may be present, and the maximum number of further members. */
function room(members: readonly Member[], { minProperties = 0, maxProperties }: Keywords): [readonly Member[], number] {
  const needed = members.filter((member) => member.required);
  if (minProperties > needed.length)
    throw new UserError(`"minProperties" above the number of required properties cannot be enforced`);
  const most = maxProperties ?? Number.POSITIVE_INFINITY;
  if (most < needed.length) throw new UserError(`"maxProperties" is below the number of required properties`);
  const retained = members.length > most ? needed : members;
  return [retained, most - retained.length];
}

/** Members in order, with optional ones present or absent, then further members. */
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

/** A key not among `names`; unless `names` is empty, the key is written without escapes, for comparison. */
function otherName(json: Json, names: readonly string[]): Node {
  if (names.length === 0) return json.string();
  const written = names.map((name) => Array.from(name, (c) => c.codePointAt(0)!));
  // Other names are written without escapes, so they cannot equal a name that needs escapes.
  const plain = written.filter((name) => name.every((point) => has(PLAIN, point)));
  return json.forest.seq(json.quote, apartFrom(json, plain));
}

/** Matches the rest of a string, other than `rests`, and its closing quote. */
function apartFrom(json: Json, rests: readonly (readonly number[])[]): Node {
  const { forest } = json;
  const firsts = [...new Set(rests.flatMap(([first]) => first ?? []))];
  const end = rests.some((rest) => rest.length === 0) ? forest.none : json.quote;
  const other = without(
    PLAIN,
    firsts.map((point): Range => [point, point]),
  );
  const any = forest.seq(utf8Node(forest, other), forest.repeat(utf8Node(forest, PLAIN), 0), json.quote);
  const following = firsts.map((point) => {
    const further = rests.filter(([first]) => first === point).map(([, ...rest]) => rest);
    return forest.seq(utf8Node(forest, [[point, point]]), apartFrom(json, further));
  });
  return forest.alt([end, any, ...following]);
}
