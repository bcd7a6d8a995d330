import { posix } from "node:path";
import { suggest, UserError } from "../../util/errors.ts";

/** A model's files in a repository or a package. */
export interface Choice {
  /** The folder that contains the files; `""` is the root. */
  folder: string;
  /** The paths of the files. */
  files: readonly string[];
  /** The file to open; if absent, the folder itself. */
  file?: string;
}

/**
 * Chooses a model among `names`: the GGUF file (with all parts of a split file) or the folder of safetensors with its
 * other files, at `path`; without a path, there must be only one model. Pickles are never used.
 * @throws UserError, naming `where`
 */
export function chooseModel(names: readonly string[], path: string | undefined, where: string): Choice {
  if (path === undefined) return only(names, where);
  const wanted = path.replace(/\/+$/, "");
  if (names.includes(wanted)) return ofFile(names, wanted, where);
  const inside = names.filter((name) => name.startsWith(`${wanted}/`));
  if (inside.length > 0) return only(inside, `${wanted} in ${where}`);
  throw new UserError(`${where} has no file ${path}${suggest(path, names) || listed(names.filter(isModel))}`);
}

const isGguf = (name: string): boolean => /\.gguf$/i.test(name);
const isPickle = (name: string): boolean =>
  /\.(pt|pth|ckpt|pkl|pickle)$|(^|\/)(pytorch_model|adapter_model|model)[^/]*\.bin$/i.test(name);
const isSafetensors = (name: string): boolean => name.endsWith(".safetensors");
const isModel = (name: string): boolean => isGguf(name) || isSafetensors(name);

function listed(names: readonly string[]): string {
  const few = names.slice(0, 12).join(", ");
  if (names.length === 0) return "";
  return `; its models are ${few}${names.length > 12 ? ` and ${names.length - 12} more` : ""}`;
}

function ofFile(names: readonly string[], file: string, where: string): Choice {
  if (isPickle(file)) throw pickle(`${file} in ${where}`);
  if (isGguf(file)) return ofGguf(names, file, where);
  const folder = folderOf(file);
  return { folder, files: isSafetensors(file) ? [...companions(names, folder), file] : [file], file };
}

const pickle = (what: string): UserError =>
  new UserError(
    `${what} is a pickle, which can run code when it is opened and is never loaded; save the model again with transformers' save_pretrained(…, safe_serialization=True), or use a safetensors or GGUF version of it`,
  );

const splitName = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;

/** The names of all parts of a split file; the first is opened. @throws UserError if some are missing */
function ofGguf(names: readonly string[], file: string, where: string): Choice {
  const [, stem, , count] = splitName.exec(file) ?? [];
  if (stem === undefined) return { folder: folderOf(file), files: [file], file };
  const parts = Array.from({ length: Number(count) }, (_, i) => part(stem, i + 1, count!));
  const missing = parts.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new UserError(`${where} lacks ${missing.length} of the ${count} parts of ${stem}`);
  return { folder: folderOf(file), files: parts, file: parts[0]! };
}

const part = (stem: string, index: number, count: string): string =>
  `${stem}-${String(index).padStart(5, "0")}-of-${count}.gguf`;

const folderOf = (name: string): string => posix.dirname(name).replace(/^\.$/, "");

/** The only model; a folder of safetensors at the root takes precedence. */
function only(names: readonly string[], where: string): Choice {
  const folders = modelFolders(names);
  const top = folders.find((folder) => folders.every((other) => other === folder || isUnder(other, folder)));
  if (top !== undefined) return ofFolder(names, top);
  const ggufs = names.filter((name) => isGguf(name) && Number(splitName.exec(name)?.[2] ?? 1) === 1);
  if (folders.length === 0 && ggufs.length === 1) return ofGguf(names, ggufs[0]!, where);
  const several = [...folders, ...ggufs];
  if (several.length > 0) throw new UserError(`${where} holds several models; name one of them: ${several.join(", ")}`);
  const pickled = names.find(isPickle);
  if (pickled !== undefined) throw pickle(`the only model in ${where}, ${pickled},`);
  throw new UserError(`${where} holds no GGUF file, and no folder with a config.json and safetensors`);
}

const isUnder = (name: string, folder: string): boolean => folder === "" || name.startsWith(`${folder}/`);

/** Folders with a configuration (of a model or of an adapter) and weights. */
function modelFolders(names: readonly string[]): string[] {
  const weighted = new Set(names.filter(isSafetensors).map(folderOf));
  const configured = new Set(names.filter((name) => /(^|\/)(adapter_)?config\.json$/.test(name)).map(folderOf));
  return [...weighted].filter((folder) => configured.has(folder));
}

const ofFolder = (names: readonly string[], folder: string): Choice => ({
  folder,
  files: [...companions(names, folder), ...weights(names, folder)],
});

/** Configuration, tokenizer and templates; for sentence-transformers also its modules' files (`1_Pooling/…`). */
const companion =
  /^(\d+_\w+\/(config\.json|model\.safetensors)|[^/]+\.(json|jinja|model)|artifact\.metadata|(vocab|merges)\.txt)$/;
/** Indexes of other frameworks' weights. */
const foreign = /\.(bin|msgpack|h5|onnx)\.index\.json$/;

function companions(names: readonly string[], folder: string): string[] {
  return inFolder(names, folder).filter((name) => {
    const local = name.slice(folder === "" ? 0 : folder.length + 1);
    return companion.test(local) && !foreign.test(local);
  });
}

const inFolder = (names: readonly string[], folder: string): string[] => names.filter((name) => isUnder(name, folder));

/** The single weight file, else the shards, else all safetensors, so that the same weights are never used twice. */
function weights(names: readonly string[], folder: string): string[] {
  const files = names.filter((name) => isSafetensors(name) && folderOf(name) === folder);
  const local = (pattern: RegExp) => files.filter((name) => pattern.test(posix.basename(name)));
  const choices = [/^model\.safetensors$/, /^model-\d+-of-\d+\.safetensors$/, /^adapter_model\.safetensors$/];
  return choices.map(local).find((some) => some.length > 0) ?? files;
}
