import { existsSync } from "node:fs";
import { suggest, UserError } from "../../util/errors.ts";
import { aliases } from "./aliases.ts";

/** What a MODEL argument names. */
export type ModelSpec =
  | { kind: "alias"; name: string }
  | { kind: "pypi"; package: string; member?: string }
  | { kind: "file"; path: string };

/**
 * Reads a MODEL argument: an alias, `pypi:package[:path]` or a path to a file.
 * A name with a separator or a model file's extension is a path; any other is an alias first, then a file of that name.
 */
export function parseSpec(text: string): ModelSpec {
  if (text.trim() === "") throw new UserError(`the model's name is empty; ${expected}`);
  const [, scheme, rest] = /^([a-z]{2,}):(.*)$/s.exec(text) ?? [];
  if (scheme !== undefined && rest !== undefined) return fromScheme(scheme, rest);
  if (Object.hasOwn(aliases, text)) return { kind: "alias", name: text };
  if (/[/\\]|\.(gguf|safetensors)$/i.test(text) || existsSync(text)) return { kind: "file", path: text };
  throw new UserError(`no model is called "${text}"${suggest(text, Object.keys(aliases)) || `; ${expected}`}`);
}

const expected = `expected an alias (${Object.keys(aliases).join(", ")}), pypi:package[:path] or a path to a GGUF file`;

function fromScheme(scheme: string, rest: string): ModelSpec {
  switch (scheme) {
    case "pypi":
      return fromPypi(rest);
    case "hf":
    case "npm":
      throw new UserError(`models from "${scheme}:" are not supported yet (got "${scheme}:${rest}"); ${expected}`);
    default:
      throw new UserError(`"${scheme}:" is not a source of models (got "${scheme}:${rest}"); ${expected}`);
  }
}

/** How a model is called everywhere: package names in their normal form, anything else as it is. */
export function canonicalName(text: string): string {
  const spec = text.startsWith("pypi:") ? parseSpec(text) : undefined;
  if (spec?.kind !== "pypi") return text;
  return `pypi:${spec.package}${spec.member === undefined ? "" : `:${spec.member}`}`;
}

/** PEP 508 names; the pattern also keeps an option such as `-r` from reaching pip. */
const packageName = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i;

function fromPypi(rest: string): ModelSpec {
  const colon = rest.indexOf(":");
  const name = colon < 0 ? rest : rest.slice(0, colon);
  const member = colon < 0 ? undefined : rest.slice(colon + 1);
  if (!packageName.test(name)) throw new UserError(`"${name}" in "pypi:${rest}" is not the name of a Python package`);
  if (member === "") throw new UserError(`"pypi:${rest}" has no path after the second colon`);
  // PEP 503: runs of -, _ and . are one and the same.
  const normal = name.toLowerCase().replace(/[-_.]+/g, "-");
  return { kind: "pypi", package: normal, ...(member !== undefined && { member }) };
}
