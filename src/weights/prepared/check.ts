import path from "node:path";
import { entriesOf } from "./leftovers.ts";
import { discard, INDEX, isFolderSound } from "./store-index.ts";

/** The result of checking prepared weights. */
export interface CheckedWeights {
  /** The number of folders with unchanged weights. */
  readonly sound: number;
  /** Folders whose damaged weights were removed; they are made again when a model needs them. */
  readonly removed: readonly string[];
}

/** Reads all prepared weights under a folder and removes damaged ones; ignores weights of other versions. */
export function checkPrepared(folder: string): CheckedWeights {
  const all = indexed(folder).map((each) => ({ folder: each, sound: isFolderSound(each) }));
  const damaged = all.filter(({ sound }) => sound === false).map((each) => each.folder);
  for (const each of damaged) discard(each);
  return { sound: all.filter(({ sound }) => sound === true).length, removed: damaged };
}

/** The folders that have an index. */
function indexed(folder: string): string[] {
  const entries = entriesOf(folder);
  const inside = entries.filter((entry) => entry.isDirectory()).flatMap(({ name }) => indexed(path.join(folder, name)));
  return entries.some(({ name }) => name === INDEX) ? [folder, ...inside] : inside;
}
