import { realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../../util/errors.ts";
import { bytesOf, type HubMirror } from "./aliases.ts";
import { type Choice, chooseModel } from "./choose.ts";
import { heldBytes } from "./disk.ts";
import * as cache from "./hub-cache.ts";
import { type HubListing, listRepository } from "./hub-list.ts";
import { fileUrl, hubRemote } from "./hub-remote.ts";
import { Unreachable } from "./persist.ts";
import type { ModelRef, Plan, PullOptions } from "./plan.ts";
import { identity } from "./record.ts";
import { fileHash } from "./sound.ts";
import { hubSpec } from "./spec.ts";
import { keepModel, type ResolvedModel } from "./store.ts";

/**
 * Plans a model's download from the hub into the cache shared by all clients; files already fetched by another client
 * are not fetched again. If the hub cannot be reached, cached files are used.
 */
export async function planHub(mirror: HubMirror, model: ModelRef, options: PullOptions): Promise<Plan> {
  try {
    return planListed(mirror, model, await listRepository(mirror, options));
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const cached = await planCached(mirror, model);
    if (cached) return cached;
    throw error;
  }
}

function planListed(mirror: HubMirror, model: ModelRef, { commit, files }: HubListing): Plan {
  const { repo, revision = "main" } = mirror;
  const choice = choose(
    files.map(({ path }) => path),
    mirror,
    model,
  );
  cache.checkBlobs(repo);
  const chosen = choice.files.map((path) => files.find((file) => file.path === path)!);
  const missing = chosen.filter(({ etag, bytes }) => heldBytes(cache.blobPath(repo, etag)) !== bytes);
  return {
    source: hubSpec(mirror),
    unpacked: 0,
    lock: cache.repoLock(repo),
    fetches: missing.map(({ path, bytes, digest, etag }) => {
      const remote = hubRemote(mirror, fileUrl(mirror, commit, path), `${repo}/${path}`);
      return { ...remote, to: cache.blobPath(repo, etag), digest, bytes };
    }),
    async finish() {
      await cache.writeSnapshot(repo, revision, commit, chosen);
      return keep(mirror, model, commit, choice);
    },
  };
}

/** The plan that uses the cached files; undefined if no files are cached. */
export async function planCached(mirror: HubMirror, model: ModelRef): Promise<Plan | undefined> {
  const commit = cache.knownCommit(mirror.repo, mirror.revision ?? "main");
  const names = commit === undefined ? [] : await cache.snapshotFiles(cache.snapshotFolder(mirror.repo, commit));
  if (commit === undefined || names.length === 0) return undefined;
  const choice = choose(names, mirror, model);
  return { source: hubSpec(mirror), unpacked: 0, fetches: [], finish: () => keep(mirror, model, commit, choice) };
}

function choose(names: readonly string[], { repo, file }: HubMirror, { files }: ModelRef): Choice {
  if (files === undefined) return chooseModel(names, file, repo);
  const paths = files.length === 1 && file !== undefined ? [file] : files.map(({ path }) => path);
  const missing = paths.filter((path) => !names.includes(path));
  if (missing.length > 0) throw new UserError(`${repo} has no file ${missing[0]}`);
  return { folder: "", files: paths, ...(paths.length === 1 && { file: paths[0]! }) };
}

/** Checks a snapshot's files, and records them as the downloaded model. */
async function keep(mirror: HubMirror, model: ModelRef, commit: string, choice: Choice): Promise<ResolvedModel> {
  const folder = cache.snapshotFolder(mirror.repo, commit);
  const files: { path: string; local: string; bytes: number; sha256: string }[] = [];
  for (const [i, name] of choice.files.entries()) {
    const path = join(folder, name);
    const bytes = cache.snapshotBytes(path);
    if (bytes === undefined)
      throw new UserError(`${mirror.repo} is incomplete in the hub's cache: its ${name} is missing`);
    files.push({ path, local: model.files?.[i]?.path ?? name, bytes, sha256: await contentHash(path) });
  }
  for (const [i, { sha256 }] of (model.files ?? []).entries())
    if (files[i]!.sha256 !== sha256)
      throw new UserError(`${choice.files[i]} of ${mirror.repo} has SHA-256 ${files[i]!.sha256}, expected ${sha256}`);
  return keepModel({
    name: model.name,
    file: join(folder, choice.file ?? choice.folder),
    bytes: bytesOf({ files: files.map(({ bytes, sha256, local: path }) => ({ bytes, sha256, path })) }),
    sha256: identity(files.map(({ local: path, sha256 }) => ({ path, sha256 }))),
    source: hubSpec(mirror),
    files: files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
  });
}

/** The SHA-256 of a cached file. A large file is named by its hash, which its downloader has checked. */
async function contentHash(path: string): Promise<string> {
  const name = basename(realpathSync(path));
  if (/^[0-9a-f]{64}$/.test(name)) return name;
  return fileHash(path);
}
