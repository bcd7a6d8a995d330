import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { suggest, UserError } from "../../util/errors.ts";
import { aliases, type HubMirror, type PackageMirror } from "./aliases.ts";
import { shipped } from "./shipped.ts";

/** The model that a MODEL argument names. */
export type ModelSpec = { kind: "alias"; name: string } | HubMirror | PackageMirror | OwnModel;

/** A model already on this machine: shipped in a package, or the user's own file or folder. */
export type OwnModel = { kind: "shipped"; name: string } | { kind: "file"; path: string };

/**
 * Reads a MODEL argument: an alias, `hf:org/name[@revision][:file]`, `pypi:package[:path]`, `npm:package[@version][:path]` or a
 * path to a file or folder. A name with a separator or a model file's extension is a path; any other name is looked up
 * as an alias first, then as a file.
 */
export function parseSpec(text: string): ModelSpec {
  if (text.trim() === "") throw new UserError(`the model's name is empty; ${expected}`);
  const [, scheme, rest] = /^([a-z]{2,}):(.*)$/s.exec(text) ?? [];
  if (scheme !== undefined && rest !== undefined) return fromScheme(scheme, rest);
  if (Object.hasOwn(aliases, text)) return { kind: "alias", name: text };
  if (Object.hasOwn(shipped, text)) return { kind: "shipped", name: text };
  if (/[/\\]|\.(gguf|safetensors|onnx)$/i.test(text) || existsSync(text)) return { kind: "file", path: text };
  throw new UserError(
    `no model is called "${text}"${suggest(text, foldersHere()) || suggest(text, names) || `; ${expected}`}`,
  );
}

/** The folders in the working folder that contain a model. */
const foldersHere = (): string[] => readdirSync(".").filter((name) => existsSync(path.join(name, "config.json")));

const names = [...Object.keys(aliases), ...Object.keys(shipped)];
const expected = `expected an alias (${names.join(", ")}), hf:org/name[:file], pypi:package[:path], npm:package[:path] or a path to a GGUF file or a model's folder`;

function fromScheme(scheme: string, rest: string): ModelSpec {
  switch (scheme) {
    case "hf":
      return fromHub(rest);
    case "pypi":
      return fromPypi(rest);
    case "npm":
      return fromNpm(rest);
    default:
      throw new UserError(`"${scheme}:" is not a source of models (got "${scheme}:${rest}"); ${expected}`);
  }
}

/** The canonical name of a model: package names are normalised, all others unchanged. */
export function canonicalName(text: string): string {
  const spec = /^(hf|pypi|npm):/.test(text) ? parseSpec(text) : undefined;
  switch (spec?.kind) {
    case "hf":
      return hubSpec(spec);
    case "pypi":
    case "npm":
      return packageSpec(spec);
    default:
      return text;
  }
}

/** Writes a repository as a MODEL argument. */
export const hubSpec = ({ repo, revision, file }: HubMirror): string =>
  `hf:${repo}${prefixed("@", revision)}${prefixed(":", file)}`;

/** Writes a package as a MODEL argument. */
export const packageSpec = ({ kind, package: name, version, member }: PackageMirror): string =>
  `${kind}:${name}${kind === "npm" ? prefixed("@", version) : ""}${prefixed(":", member)}`;

const prefixed = (mark: string, text: string | undefined): string => (text === undefined ? "" : `${mark}${text}`);

/** The parts before and after the first colon; the second is a path. */
function splitPath(scheme: string, rest: string): [string, string | undefined] {
  const colon = rest.indexOf(":");
  if (colon < 0) return [rest, undefined];
  const path = rest.slice(colon + 1);
  if (path === "") throw new UserError(`"${scheme}:${rest}" has no path after the second colon`);
  if (path.startsWith("/") || path.split("/").includes(".."))
    throw new UserError(`the path in "${scheme}:${rest}" leads outside its repository or package`);
  return [rest.slice(0, colon), path];
}

/** The hub's own rule: letters, digits, `-`, `_` and `.`, in names of at most 96 characters. */
const repoName = /^[a-z0-9_][a-z0-9._-]{0,95}\/[a-z0-9_][a-z0-9._-]{0,95}$/i;
/** Matches branches, tags and commits; a branch may contain a slash (`refs/pr/1`), but never `..`. */
const revisionName = /^(?!.*(\.\.|\/\/|\/$))[a-z0-9][a-z0-9._/-]*$/i;

function fromHub(rest: string): HubMirror {
  const [place, file] = splitPath("hf", rest);
  const [, repo, revision] = /^([^@]*)(?:@(.*))?$/s.exec(place) ?? [];
  if (repo === undefined || !repoName.test(repo) || /--|\.\./.test(repo))
    throw new UserError(`"${repo}" in "hf:${rest}" is not the name of a repository, expected org/name`);
  if (revision !== undefined && !revisionName.test(revision))
    throw new UserError(`"${revision}" in "hf:${rest}" is not a branch, tag or commit`);
  return { kind: "hf", repo, ...(revision !== undefined && { revision }), ...(file !== undefined && { file }) };
}

/** PEP 508 names; the pattern also prevents options such as `-r` from reaching pip. */
const packageName = /^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/i;

function fromPypi(rest: string): PackageMirror {
  const [name, member] = splitPath("pypi", rest);
  if (!packageName.test(name)) throw new UserError(`"${name}" in "pypi:${rest}" is not the name of a Python package`);
  // PEP 503: runs of -, _ and . are equivalent.
  const normal = name.toLowerCase().replace(/[-_.]+/g, "-");
  return { kind: "pypi", package: normal, ...(member !== undefined && { member }) };
}

/** npm's names, with versions or tags; the pattern also prevents options, folders and URLs from reaching npm. */
const npmName = /^((?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~][a-z0-9._~-]*)(?:@([a-z0-9][a-z0-9._+-]*))?$/i;

function fromNpm(rest: string): PackageMirror {
  const [place, member] = splitPath("npm", rest);
  const [, name, version] = npmName.exec(place) ?? [];
  if (name === undefined) throw new UserError(`"${place}" in "npm:${rest}" is not the name of an npm package`);
  return {
    ...{ kind: "npm", package: name },
    ...(version !== undefined && { version }),
    ...(member !== undefined && { member }),
  };
}
