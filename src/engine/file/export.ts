import { readdirSync, rmdirSync, rmSync } from "node:fs";
import { copyFile, mkdir, readdir, rename } from "node:fs/promises";
import path from "node:path";
import { portable, type WriteOptions, writeOnnx } from "../../runtime/onnx/write.ts";
import { few, UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { codeOf, writeError } from "../../util/system-errors.ts";
import { companions } from "../../weights/companions.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { ensureSpace } from "../../weights/sources/disk.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import { kindOf } from "../kinds/index.ts";
import { openAdapted } from "./adapters.ts";

/** The folder where files are written before they are moved. A killed export leaves it; the next one removes it. */
const ASIDE = ".exporting";

export interface ExportOptions extends WriteOptions {
  /** Folder of a PEFT LoRA adapter: merged into safetensors, a branch of the graph beside a GGUF's weights. */
  readonly adapter?: string | undefined;
}

/** The result of an export. */
export interface Exported {
  readonly folder: string;
  /** Names of its files. */
  readonly files: readonly string[];
  /** Bytes of the data file. */
  readonly bytes: number;
}

/** Checks that a model can be exported into `folder`, which must be new or empty. @throws UserError */
export function checkExportFolder(folder: string): void {
  const names = namesIn(folder).filter((name) => name !== ASIDE);
  if (names.length > 0)
    throw new UserError(`${folder}: the folder is not empty (it has ${few(names)}); name a new one`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw writeError(error, folder);
  }
}

/**
 * Writes a model as ONNX into a new or empty folder: `model.onnx`, or `encoder_model.onnx` and `decoder_model.onnx`;
 * `model.onnx.data`; and its configuration and tokenizer files, if it has them. Prepares weights that are not prepared
 * yet.
 * @throws UserError; the folder is then unchanged
 */
export async function exportModel(
  model: ResolvedModel,
  folder: string,
  quant: Quant,
  { adapter, ...options }: ExportOptions = {},
): Promise<Exported> {
  const target = path.resolve(folder);
  checkExportFolder(target);
  const adapted = await openAdapted(model.path, { adapter });
  const { checkpoint } = adapted;
  const kind = await (await kindOf(checkpoint)).load();
  const files = portable(await kind.export(adapted, preparedFolder(model.path), quant), target);
  await ensureSpace(target, files.bytes, "the export");
  const names = await intoFolder(target, async (aside) => {
    for (const file of companions(checkpoint)) await copyFile(file, path.join(aside, path.basename(file)));
    await writeOnnx(files, aside, options);
  });
  return { folder: target, files: names, bytes: files.bytes };
}

/** Moves the files that `write` makes into `folder`: all of them, the graphs last, or none. */
async function intoFolder(folder: string, write: (aside: string) => Promise<void>): Promise<string[]> {
  const aside = path.join(folder, ASIDE);
  let made: string | undefined;
  try {
    made = makeFolders(folder);
    rmSync(aside, { recursive: true, force: true });
    await mkdir(aside);
    await write(aside);
    const names = (await readdir(aside)).sort((a, b) => Number(a.endsWith(".onnx")) - Number(b.endsWith(".onnx")));
    for (const name of names) await rename(path.join(aside, name), path.join(folder, name));
    rmdirSync(aside);
    return names;
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    if (made !== undefined) removeEmpty(folder, made);
    throw writeError(error, folder);
  }
}

/** Removes `folder` and its parents up to `last`, as long as they are empty. */
function removeEmpty(folder: string, last: string): void {
  try {
    rmdirSync(folder);
  } catch {
    return;
  }
  if (folder !== last) removeEmpty(path.dirname(folder), last);
}
