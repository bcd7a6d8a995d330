import { existsSync } from "node:fs";
import { join } from "node:path";
import { suggest, UserError } from "../../util/errors.ts";
import type { HubMirror } from "./aliases.ts";
import { heldBytes } from "./disk.ts";
import * as cache from "./hub-cache.ts";
import { isOffline, notFetched } from "./hub-env.ts";
import { listRepository } from "./hub-list.ts";
import { fileUrl, hubRemote } from "./hub-remote.ts";
import { carryOut, type Plan, type PullOptions } from "./plan.ts";
import { hubSpec } from "./spec.ts";

/** A file in a hub repository; data sets are called `datasets/owner/name`. */
export type HubFileSpec = HubMirror & { file: string };

/**
 * Returns the absolute path of a hub file in the cache shared by all clients; downloads the file only if it is not
 * cached.
 * @throws UserError; an `AbortError` if `signal` stopped the download
 */
export async function hubFile(mirror: HubFileSpec, options: PullOptions = {}): Promise<string> {
  const { repo, revision = "main", file } = mirror;
  const known = cache.knownCommit(repo, revision);
  const held = known && join(cache.snapshotFolder(repo, known), file);
  if (held && existsSync(held)) {
    cache.refuseEscape(held);
    return held;
  }
  if (isOffline(options.offline)) throw new UserError(notFetched(hubSpec(mirror)));
  return carryOut(await planFile(mirror, options), hubSpec(mirror), options);
}

async function planFile(mirror: HubFileSpec, options: PullOptions): Promise<Plan<string>> {
  const { repo, revision = "main", file } = mirror;
  const { commit, files } = await listRepository(mirror, options);
  const found = files.find(({ path }) => path === file);
  if (found === undefined) {
    const names = files.map(({ path }) => path);
    throw new UserError(
      `${repo} has no file ${file}${suggest(file, names) || `; it has ${names.slice(0, 12).join(", ")}`}`,
    );
  }
  cache.checkBlobs(repo);
  const { bytes, digest, etag } = found;
  const to = cache.blobPath(repo, etag);
  const remote = hubRemote(mirror, fileUrl(mirror, commit, file), `${repo}/${file}`);
  return {
    source: hubSpec(mirror),
    unpacked: 0,
    lock: cache.repoLock(repo),
    fetches: heldBytes(to) === bytes ? [] : [{ ...remote, to, digest, bytes }],
    async finish() {
      await cache.writeSnapshot(repo, revision, commit, [found]);
      return join(cache.snapshotFolder(repo, commit), file);
    },
  };
}
