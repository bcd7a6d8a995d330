import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isPostgres } from "../../util/database/postgres.ts";
import { suggest, UserError } from "../../util/errors.ts";
import type { IndexSettings } from "../settings.ts";
import { createPostgresStore, deletePostgresStore, openPostgresStore, postgresIndexNames } from "./postgres.ts";
import { createSqliteStore, openSqliteStore } from "./sqlite.ts";
import type { Store } from "./store.ts";

/** The place of the indexes: a folder's path, or a Postgres database's address. */
export type Place = string;

const FILE = "index.db";
/** Valid index names, all lower-case, since some file systems ignore case. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,47}$/;

/** @throws UserError for an invalid index name */
export function checkIndexName(name: string): string {
  if (NAME.test(name)) return name;
  throw new UserError(
    `"${name.slice(0, 60)}" is not a valid index name; expected up to 48 characters of a-z, 0-9, ".", "_" and "-", starting with a letter or digit`,
    2,
  );
}

const fileOf = (place: Place, name: string): string => join(place, checkIndexName(name), FILE);

/** The names of the indexes at a place. */
export const indexNames = async (place: Place): Promise<string[]> =>
  isPostgres(place) ? postgresIndexNames(place) : namesIn(place);

function namesIn(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.filter((name) => NAME.test(name) && existsSync(join(folder, name, FILE))).sort();
}

/** @throws UserError if an index of that name exists, or the new index cannot be approximate */
export async function createStore(place: Place, name: string, settings: IndexSettings): Promise<Store> {
  if (settings.approximate && !(isPostgres(place) && settings.embedding))
    throw new UserError("approximate: expected an index with vectors in Postgres", 2);
  return isPostgres(place)
    ? createPostgresStore(place, checkIndexName(name), settings)
    : createSqliteStore(fileOf(place, name), settings);
}

/** @throws UserError if there is no such index; the message suggests the nearest name */
export async function openStore(place: Place, name: string): Promise<Store> {
  if (isPostgres(place)) return openPostgresStore(place, checkIndexName(name));
  const file = fileOf(place, name);
  if (existsSync(file)) return openSqliteStore(file);
  throw missing(name, namesIn(place));
}

function missing(name: string, names: readonly string[]): UserError {
  const near = suggest(name, names);
  return new UserError(`there is no index ${name}${near || `; \`modicum index create ${name}\` creates it`}`);
}

/** Deletes an index with all its documents. @throws UserError if it is missing */
export async function deleteStore(place: Place, name: string): Promise<void> {
  if (isPostgres(place)) return deletePostgresStore(place, checkIndexName(name));
  if (!existsSync(fileOf(place, name))) throw missing(name, namesIn(place));
  rmSync(join(place, name), { recursive: true });
}
