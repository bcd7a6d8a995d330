import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import type { HubMirror } from "./aliases.ts";
import { Connection } from "./connection.ts";
import { type Digest, gitBlob, sha256 } from "./digest.ts";
import { patient } from "./download.ts";
import { isDataset } from "./hub-cache.ts";
import { endpoint } from "./hub-env.ts";
import { hubRemote } from "./hub-remote.ts";
import { persist } from "./persist.ts";
import type { PullOptions } from "./plan.ts";

/** A file of a repository. */
interface HubFile {
  path: string;
  bytes: number;
  digest: Digest;
  /** The file's name in every client's cache: the SHA-256 of a large file, or Git's hash of a small file. */
  etag: string;
}

export interface HubListing {
  /** 40 hex digits. */
  commit: string;
  files: readonly HubFile[];
}

const commitInfo = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const size = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const entry = z.object({
  path: z.string().regex(/^(?!.*(^|\/)\.{0,2}(\/|$))[^\\\0]+$/),
  size,
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size }).optional(),
});

/**
 * The files of a repository at a revision.
 *
 * The hub's own client lists them, but `download` fetches their bytes, because the client's downloader neither resumes
 * nor uses ranges, waits forever on a silent connection, and does not check the result.
 * @throws UserError if the hub refuses, or gives an unexpected answer
 */
export async function listRepository(mirror: HubMirror, options: PullOptions): Promise<HubListing> {
  const { datasetInfo, modelInfo, listFiles } = await import("@huggingface/hub");
  const common = { hubUrl: endpoint(), fetch: hubFetch(mirror, options) };
  const { repo, revision = "main" } = mirror;
  const data = isDataset(repo);
  const name = data ? repo.slice("datasets/".length) : repo;
  try {
    const request = { ...common, name, revision, additionalFields: ["sha" as const] };
    const { sha: commit } = commitInfo.parse(await (data ? datasetInfo(request) : modelInfo(request)));
    const files: HubFile[] = [];
    const type = data ? "dataset" : "model";
    const found = listFiles({ ...common, repo: { type, name }, revision: commit, recursive: true });
    for await (const item of found) if (item.type === "file") files.push(fileOf(item));
    return { commit, files };
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError || error instanceof RangeError)
      throw new UserError(
        `${new URL(endpoint()).host} answered about ${repo} in an unexpected format; expected a Hugging Face hub`,
      );
    throw error;
  }
}

function fileOf(item: unknown): HubFile {
  const { path, size: own, oid, lfs } = entry.parse(item);
  const bytes = lfs?.size ?? own;
  return { path, bytes, digest: lfs ? sha256(lfs.oid) : gitBlob(oid, bytes), etag: lfs?.oid ?? oid };
}

/** The maximum size of an answer about a repository; the largest take a few megabytes. */
const mostBytes = 64 * 2 ** 20;

/** A `fetch` for the hub's client that retries, and that reaches only the hub's host, because it sends the token. */
function hubFetch(mirror: HubMirror, { signal = new AbortController().signal, pace = patient, onNotice }: PullOptions) {
  return async (input: string | URL | Request): Promise<Response> => {
    const url = String(input);
    if (new URL(url).origin !== new URL(endpoint()).origin)
      throw new UserError(`the hub's list of ${mirror.repo} continues at ${new URL(url).host}, another host; refused`);
    const remote = hubRemote(mirror, url, mirror.repo);
    return persist({ remote, pace, signal, onNotice, bytes: () => 0, kept: advice }, async () => {
      const connection = await Connection.open(remote, pace, signal);
      const link = connection.response.headers.get("link");
      return new Response(await readAll(connection), { headers: link === null ? {} : { link } });
    });
  };
}

/** A hint for the user if the hub does not answer. */
const advice = (): string =>
  process.env["HF_ENDPOINT"] ? "; check HF_ENDPOINT, which selects this hub" : "; is the network up?";

async function readAll(connection: Connection): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of connection.chunks()) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > mostBytes) throw new RangeError(`more than ${mostBytes} bytes`);
  }
  return Buffer.concat(chunks);
}
