import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { unopened } from "../../util/system-errors.ts";
import { fileState } from "../file-state.ts";
import { ModelFault } from "../model-fault.ts";
import { modelFolder } from "./home.ts";
import { filesOf, INNER, identity, type KeptFile, type ModelRecord } from "./record.ts";

/** An error for a downloaded model whose files differ from the download. */
export class DamagedModel extends ModelFault {
  constructor(
    model: string,
    readonly files: readonly string[],
  ) {
    super(`${files[0]} is damaged: its SHA-256 differs from the download's; \`modicum pull ${model}\` repairs it`);
  }
}

/**
 * Verifies a model's files in full, unless they are unchanged since the last check; a read-only cache is trusted. With
 * `anew`, always verifies them.
 * @throws DamagedModel
 */
export async function checkSound(record: ModelRecord, anew: boolean): Promise<void> {
  const state = stateOf(record);
  if (!anew && ((await notedState(record)) === state || unopened(stateFile(record)) !== undefined)) return;
  const damaged = await damagedFiles(record);
  if (damaged.length > 0) throw new DamagedModel(record.name, damaged);
  await writeFile(stateFile(record), state).catch(() => {}); // A cache may be read-only, or full.
}

/** The file that stores the state in which the model's files were last known to be sound. */
const stateFile = ({ name }: ModelRecord): string => join(modelFolder(name), "model.state");

const notedState = (record: ModelRecord): Promise<string | undefined> =>
  readFile(stateFile(record), "utf8").catch(() => undefined);

function stateOf(record: ModelRecord): string {
  const state = createHash("sha256").update(record.sha256);
  for (const { path } of filesOf(record)) state.update(`\0${fileState(path)}`);
  return state.digest("hex");
}

/** The damaged files; all files if their individual hashes are unknown. */
async function damagedFiles(record: ModelRecord): Promise<string[]> {
  const files = filesOf(record);
  const found: Required<KeptFile>[] = [];
  for (const file of files) found.push({ ...file, sha256: await fileHash(file.path) });
  if (files.every(({ sha256 }) => sha256 !== undefined))
    return found.filter(({ sha256 }, i) => sha256 !== files[i]!.sha256).map(({ path }) => path);
  const named = found.map(({ path, sha256 }) => ({ path: nameOf(path, record), sha256 }));
  return identity(named) === record.sha256 ? [] : files.map(({ path }) => path);
}

/** A file's name in the file list that the model's SHA-256 covers. */
function nameOf(path: string, { name }: ModelRecord): string {
  const inSnapshot = /[\\/]snapshots[\\/][0-9a-f]{40}[\\/](.*)$/.exec(path)?.[1];
  return (inSnapshot ?? relative(join(modelFolder(name), INNER), path)).split(sep).join("/");
}

/** The SHA-256 of a file, in hex. */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest("hex");
}
