import { existsSync } from "node:fs";
import { UserError } from "../../util/errors.ts";
import { quote } from "./cursor.ts";
import type { GgufFile } from "./header.ts";

/** Returns an unsplit file unchanged; to a split file's first part, adds the tensors of all parts, read by `open`. */
export function joinParts(first: GgufFile, open: (path: string) => GgufFile): GgufFile {
  const count = first.metadata.integer("split.count", 1);
  if (count <= 1) return first;
  const stem = stemOf(first, count);
  const file = { ...first, files: [first.path], tensors: new Map(first.tensors) };
  for (let index = 1; index < count; index++) {
    const part = openPart(first, open, stem + ending(index, count), index);
    file.files.push(part.path);
    addTensors(file.tensors, part);
  }
  checkTotal(file, count);
  return file;
}

/** The suffix of a part's name, `-00001-of-0000N.gguf`, as in llama.cpp's gguf-split; parts share a folder. */
function stemOf({ path, metadata }: GgufFile, count: number): string {
  const index = metadata.integer("split.no");
  const own = ending(index, count);
  const problem = `${path}: this is part ${index + 1} of ${count} of a split file`;
  if (!path.endsWith(own)) throw new UserError(`${problem}, expected its name to end with "${own}"`);
  const stem = path.slice(0, -own.length);
  if (index !== 0) throw new UserError(`${problem}; open the first part: ${stem}${ending(0, count)}`);
  return stem;
}

function ending(index: number, count: number): string {
  const digits = (n: number) => String(n).padStart(5, "0");
  return `-${digits(index + 1)}-of-${digits(count)}.gguf`;
}

function openPart(first: GgufFile, open: (path: string) => GgufFile, path: string, index: number): GgufFile {
  const count = (key: string) => first.metadata.integer(key);
  const name = `part ${index + 1} of ${count("split.count")}`;
  if (!existsSync(path)) throw new UserError(`${first.path}: ${name} is missing, expected at ${path}`);
  const part = open(path);
  for (const key of ["split.no", "split.count", "split.tensors.count"]) {
    const [actual, expected] = [part.metadata.integer(key), key === "split.no" ? index : count(key)];
    if (actual === expected) continue;
    throw new UserError(`${path}: this is not ${name} of ${first.path}: its ${key} is ${actual}, expected ${expected}`);
  }
  return part;
}

function addTensors(tensors: GgufFile["tensors"], part: GgufFile): void {
  for (const [name, tensor] of part.tensors) {
    const other = tensors.get(name);
    if (other) throw new UserError(`${part.path}: tensor ${quote(name)} is also in ${other.path}`);
    tensors.set(name, tensor);
  }
}

function checkTotal({ path, metadata, tensors }: GgufFile, count: number): void {
  const expected = metadata.integer("split.tensors.count");
  if (tensors.size === expected) return;
  throw new UserError(
    `${path}: its ${count} parts hold ${tensors.size} tensors, but its split.tensors.count is ${expected}`,
  );
}
