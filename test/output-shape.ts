/** The kind of output that a page shows: JSON, literal text, or a model's own words. */
export type OutputKind = "json" | "text" | "text answer";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const ELISION = "…";

/**
 * True if `output` has the shape of the output that a page shows: JSON has the same keys and types, text is the same
 * except for numbers and spaces, and an answer may be any text. A `…` on the page stands for any text, elements or
 * fields.
 */
export function hasShape(kind: OutputKind, shown: string, output: string): boolean {
  switch (kind) {
    case "json":
      return jsonHasShape(shown, output);
    case "text":
      return textHasShape(plain(shown), plain(output));
    case "text answer":
      return output.trim() !== "";
  }
}

/** Replaces every number by one character, and every run of spaces by one space. */
const plain = (text: string): string =>
  text
    .replace(/(?:(?<!\w)[-+−])?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?/g, "#")
    .replace(/[ \t]+/g, " ")
    .replace(/ ?\n ?/g, "\n")
    .trim();

function textHasShape(shown: string, output: string): boolean {
  const [first, ...rest] = shown.split(ELISION) as [string, ...string[]];
  const last = rest.pop();
  if (last === undefined) return shown === output;
  if (!output.startsWith(first)) return false;
  let from = first.length;
  for (const part of rest) {
    const at = output.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return output.length - from >= last.length && output.endsWith(last);
}

function jsonHasShape(shown: string, output: string): boolean {
  const { text, elided } = withoutElisions(shown);
  const want = values(text);
  if (want === undefined) throw new Error(`the page shows no JSON: ${shown}`);
  const got = values(output);
  return got !== undefined && valueHasShape(want, got, elided);
}

const TOKEN = /"(?:[^"\\]|\\.)*"|\s*,?\s*…/g;

/** Removes each `…` outside strings with the comma before it or, at a list's start, after it. */
function withoutElisions(shown: string): { readonly text: string; readonly elided: boolean } {
  const remaining = shown.replace(TOKEN, (token) => (token.startsWith('"') ? token : ""));
  return { text: remaining.replace(/([[{])\s*,/g, "$1"), elided: remaining !== shown };
}

/** One JSON value, or one a line; undefined if it is neither. */
function values(text: string): readonly Json[] | undefined {
  try {
    return [JSON.parse(text)];
  } catch {
    try {
      const lines = text.split("\n").filter((line) => line.trim() !== "");
      return lines.length > 0 ? lines.map((line) => JSON.parse(line)) : undefined;
    } catch {
      return undefined;
    }
  }
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === "object" && value !== null && !isList(value);

/** `elided`: an object may have more fields than are shown. Lists may always have another length. */
function valueHasShape(shown: Json, output: Json, elided: boolean): boolean {
  if (isList(shown)) return isList(output) && listHasShape(shown, output, elided);
  if (!isObject(shown)) return shown === null ? output === null : typeof shown === typeof output;
  if (!isObject(output)) return false;
  const keys = Object.keys(shown);
  return (
    keys.every((key) => Object.hasOwn(output, key) && valueHasShape(shown[key]!, output[key]!, elided)) &&
    (elided || Object.keys(output).length === keys.length)
  );
}

/** Every output element matches a shown one, and every shown one matches an output element. */
function listHasShape(shown: readonly Json[], output: readonly Json[], elided: boolean): boolean {
  if (elided && shown.length === 0) return true;
  return (
    output.every((value) => shown.some((like) => valueHasShape(like, value, elided))) &&
    shown.every((like) => output.some((value) => valueHasShape(like, value, elided)))
  );
}
