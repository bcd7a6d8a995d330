import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { UserError } from "../../../util/errors.ts";
import { type Raster, readRaster, trimmed } from "./raster.ts";

/** Drawings of a folder, by name in the order of their paths, and how many files have no name. */
export interface FolderDrawings {
  readonly drawings: ReadonlyMap<string, readonly Raster[]>;
  readonly unnamed: number;
}

/**
 * Reads the PNG files of a folder and the folders in it. A drawing's name is in NAME.txt beside NAME.png ("A cat."), as
 * Tux Paint's stamps have it; without a text, it is the file's own.
 * @throws UserError if the folder or a drawing cannot be read, or none has a name
 */
export async function readFolder(folder: string): Promise<FolderDrawings> {
  const files = await drawingsIn(folder);
  const found = new Map<string, Raster[]>();
  let unnamed = 0;
  for (const file of files) {
    const name = await nameOf(file);
    if (name === undefined) unnamed++;
    else found.set(name, [...(found.get(name) ?? []), await drawingOf(file)]);
  }
  if (found.size === 0)
    throw new UserError(
      `${folder}: none of ${files.length} PNG files has a name; expected cat.png, or "A cat." beside it`,
    );
  return { drawings: found, unnamed };
}

/** Files of PNG drawings; those that Tux Paint shows in place of another's mirror image are left out. */
async function drawingsIn(folder: string): Promise<string[]> {
  try {
    const all = await readdir(folder, { recursive: true });
    const drawn = all.filter((file) => /\.png$/i.test(file) && !/_(mirror|flip)\.png$/i.test(file));
    return drawn.toSorted().map((file) => path.join(folder, file));
  } catch (error) {
    throw new UserError(`${folder}: the folder cannot be read (${firstOf(error)})`);
  }
}

async function nameOf(file: string): Promise<string | undefined> {
  const own = file.slice(0, -".png".length);
  try {
    return nameIn(await readFile(`${own}.txt`, "utf8"));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT"))
      throw new UserError(`${own}.txt: the file cannot be read (${firstOf(error)})`);
    return nameIn(
      path
        .basename(own)
        .replace(/[_-]+/g, " ")
        .replace(/ ?\d+$/, ""),
    );
  }
}

/** One or two words: longer ones rarely have a plural that a rule makes. */
const WORDS = String.raw`[\p{L}-]+(?: [\p{L}-]+)?`;
/** A sentence that begins with an article and a name, or a name alone. */
const NAME = new RegExp(`^(?:(?:an?|the) (?<said>${WORDS})[.!?]|(?:(?:an?|the) )?(?<alone>${WORDS})$)`, "iu");

/** The name in the first line of a text, which is in English; the others are translations. */
export function nameIn(text: string): string | undefined {
  const { said, alone } = NAME.exec(text.split(/\r?\n/)[0]!.trim())?.groups ?? {};
  return said ?? alone;
}

async function drawingOf(file: string): Promise<Raster> {
  try {
    return trimmed(await readRaster(file));
  } catch (error) {
    throw new UserError(`${file}: the drawing cannot be read (${firstOf(error)})`);
  }
}

const firstOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split(/[,\n]/)[0]!;
