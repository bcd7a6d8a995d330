import { jsonOf } from "../../../util/checked.ts";
import { UserError } from "../../../util/errors.ts";
import type { Schema } from "./keywords.ts";

/** A name as one segment of a JSON pointer (RFC 6901). */
export const step = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");

/** The place that a `$ref` in the resource at `base` refers to. @throws UserError if it is outside the schema */
export function placeOf(reference: string, base: string): string {
  if (!/^#(\/|$)/.test(reference))
    throw new UserError(`"$ref" points to ${jsonOf(reference)}, expected a place within the schema`);
  return base + plain(reference.slice(1));
}

/** The schema at a JSON pointer. @throws UserError if it points to no schema */
export function schemaAt(whole: Schema, place: string): Schema {
  const names = place.split("/").slice(1);
  const target = names.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~")).reduce<unknown>(member, whole);
  if (typeof target === "boolean") return target;
  if (typeof target === "object" && target !== null && !Array.isArray(target)) return target as Schema;
  throw new UserError(`"$ref" points to ${jsonOf(place)}, where there is no schema`);
}

const member = (inner: unknown, name: string): unknown =>
  typeof inner === "object" && inner !== null && Object.hasOwn(inner, name)
    ? (inner as Record<string, unknown>)[name]
    : undefined;

/** Decodes a URI fragment. */
function plain(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}
