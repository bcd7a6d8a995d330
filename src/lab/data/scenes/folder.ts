import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { UserError } from "../../../util/errors.ts";
import { codeOf, readError } from "../../../util/system-errors.ts";
import { type Raster, readRaster, trimmed } from "./raster.ts";

/** A folder's drawings, by name in the order of their paths, and the number of files without a name. */
export interface FolderDrawings {
  readonly drawings: ReadonlyMap<string, readonly Raster[]>;
  readonly unnamed: number;
}

/**
 * Reads the PNG files of a folder and its subfolders. NAME.txt beside NAME.png holds the drawing's name ("A cat."), as
 * in Tux Paint's stamps; without NAME.txt, the name is NAME. @throws UserError if the folder or a drawing cannot be
 * read, or no drawing has a name
 */
export async function readFolder(folder: string): Promise<FolderDrawings> {
  const files = await drawingsIn(folder);
  const drawings = new Map<string, Raster[]>();
  let unnamed = 0;
  for (const file of files) {
    const name = await nameOf(file);
    if (name === undefined) unnamed++;
    else drawings.set(name, [...(drawings.get(name) ?? []), await drawingOf(file)]);
  }
  if (drawings.size === 0)
    throw new UserError(
      `${folder}: none of ${files.length} PNG files has a name; expected cat.png, or "A cat." beside it`,
    );
  return { drawings, unnamed };
}

/** PNG drawings, except the ones that Tux Paint shows instead of mirroring another drawing. */
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
    if (codeOf(error) !== "ENOENT") throw readError(error, `${own}.txt`);
    return nameIn(
      path
        .basename(own)
        .replace(/[_-]+/g, " ")
        .replace(/ ?\d+$/, ""),
    );
  }
}

/** One or two words: longer names rarely have a regular plural. */
const WORDS = String.raw`[\p{L}-]+(?: [\p{L}-]+)?`;
/** A sentence with an article and a name, or only a name. */
const NAME = new RegExp(`^(?:(?:an?|the) (?<said>${WORDS})[.!?]|(?:(?:an?|the) )?(?<alone>${WORDS})$)`, "iu");

/** The English name, in the first line of a text; other lines are translations. */
export function nameIn(text: string): string | undefined {
  const { said: label, alone } = NAME.exec(text.split(/\r?\n/)[0]!.trim())?.groups ?? {};
  return label ?? alone;
}

async function drawingOf(file: string): Promise<Raster> {
  try {
    return trimmed(await readRaster(file));
  } catch (error) {
    throw new UserError(`${file}: the drawing cannot be read (${firstOf(error)})`);
  }
}

const firstOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split(/[,\n]/)[0]!;
