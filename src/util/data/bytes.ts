import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { UserError } from "../errors.ts";
import { codeOf, readError } from "../system-errors.ts";

const zipped = (path: string): boolean => /\.gz$/i.test(path);

/** The bytes of a file, unpacked if its name ends in `.gz`. @throws UserError */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path);
  const gunzip = zipped(path) ? createGunzip() : undefined;
  // The pipeline's errors also reach the `yield*` below.
  if (gunzip) void pipeline(file, gunzip).catch(() => {});
  try {
    yield* gunzip ?? file;
  } catch (error) {
    if (error instanceof Error && codeOf(error)?.startsWith("Z_"))
      throw new UserError(`${path}: this is not a valid gzip file (${error.message})`);
    throw readError(error, path);
  }
}

/** All of a file's bytes. @throws UserError */
export async function bytesOf(path: string): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(path)) chunks.push(chunk);
  const whole = Buffer.from(new ArrayBuffer(chunks.reduce((sum, { length }) => sum + length, 0)));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** All of a file's text, in UTF-8. @throws UserError naming the file if it is not UTF-8 */
export async function textOf(path: string): Promise<string> {
  const bytes = await bytesOf(path);
  return decoded(path, () => new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

/** The lines of a file's text, without line breaks. @throws UserError */
export async function* linesOf(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const chunk of chunksOf(path)) {
    const lines = (rest + decoded(path, () => decoder.decode(chunk, { stream: true }))).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield line.replace(/\r$/, "");
  }
  const last = rest + decoded(path, () => decoder.decode());
  if (last !== "") yield last;
}

function decoded(path: string, decode: () => string): string {
  try {
    return decode();
  } catch {
    throw new UserError(`${path}: expected text in UTF-8`);
  }
}
