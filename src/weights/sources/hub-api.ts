import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import type { HubMirror } from "./aliases.ts";
import { Connection, type Remote } from "./connection.ts";
import { type Digest, gitBlob, sha256 } from "./digest.ts";
import { patient } from "./download.ts";
import { asDropped } from "./network.ts";
import { persist } from "./persist.ts";
import type { PullOptions } from "./plan.ts";

/** A file of a repository. */
export interface HubFile {
  path: string;
  bytes: number;
  digest: Digest;
  /** Under which every client's cache keeps its content: SHA-256 of a large file, Git's name of a small one. */
  etag: string;
}

export interface HubListing {
  /** 40 hex digits. */
  commit: string;
  files: readonly HubFile[];
}

/** `HF_ENDPOINT`, else the hub itself, without a slash at its end. */
export function endpoint(): string {
  const text = (process.env["HF_ENDPOINT"] || "https://huggingface.co").replace(/\/+$/, "");
  if (URL.canParse(text) && /^https?:/.test(text)) return text;
  throw new UserError(`HF_ENDPOINT is "${text}", expected the address of a hub, such as https://host`);
}

/** Whether `HF_HUB_OFFLINE` forbids to ask the hub. */
export const offline = (): boolean => /^(1|true|yes|on)$/i.test(process.env["HF_HUB_OFFLINE"] ?? "");

/** The hub's host, once it has answered anything. @throws Error saying why it has not */
export async function hubAnswers(signal: AbortSignal): Promise<string> {
  if (offline()) throw new Error("HF_HUB_OFFLINE forbids to ask it");
  const url = endpoint();
  const { host } = new URL(url);
  await fetch(url, { method: "HEAD", signal }).catch((error: unknown) => {
    throw new Error(`${host}: ${signal.aborted ? "no answer in time" : asDropped(error, url).message}`);
  });
  return host;
}

/** `HF_TOKEN`, else what `hf auth login` left in `HF_HOME`. */
function token(): string | undefined {
  const given = process.env["HF_TOKEN"]?.trim();
  if (given) return given;
  const home =
    process.env["HF_HOME"] || join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "huggingface");
  try {
    return readFileSync(process.env["HF_TOKEN_PATH"] || join(home, "token"), "utf8").trim() || undefined;
  } catch {
    return undefined;
  }
}

/** A request to the hub about a repository: with the user's token, and refusals in the hub's own terms. */
export function hubRemote(mirror: HubMirror, url: string, what: string): Remote {
  const secret = token();
  const headers = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
  return { url, what, headers, explain: (response) => explain(response, mirror, what, secret !== undefined) };
}

export const fileUrl = ({ repo }: HubMirror, commit: string, path: string): string =>
  `${endpoint()}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;

/** https://github.com/huggingface/huggingface_hub reads the same statuses and header. */
function explain(response: Response, { repo, revision = "main" }: HubMirror, what: string, hasToken: boolean) {
  const { status } = response;
  if (![401, 403, 404].includes(status)) return undefined;
  const code = response.headers.get("x-error-code");
  if (code === "GatedRepo") return new UserError(`${repo} is gated: ${howToEnter(repo, hasToken)}`);
  if (code === "RevisionNotFound") return new UserError(`${repo} has no revision "${revision}"`);
  if (code === "EntryNotFound") return new UserError(`the hub has no file ${what} at revision "${revision}"`);
  if (status === 403)
    return new UserError(`the hub refuses ${repo} (HTTP 403); HF_TOKEN may lack the right to read it`);
  if (status === 401 && hasToken && code !== "RepoNotFound")
    return new UserError(`the hub refused the token in HF_TOKEN (HTTP 401) for ${repo}`);
  const hidden = hasToken
    ? "or is private to others"
    : "or is private: then HF_TOKEN must hold a token that may read it";
  return new UserError(`the hub has no repository ${repo} (HTTP ${status}): it does not exist, ${hidden}`);
}

const howToEnter = (repo: string, hasToken: boolean): string =>
  hasToken
    ? `the account of the token in HF_TOKEN has no access; ask for it at ${endpoint()}/${repo}`
    : `accept its terms at ${endpoint()}/${repo}, and set HF_TOKEN to a token of your account`;

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
 * The hub's own client asks; the bytes of files are fetched by `download`, because the client's downloader neither resumes nor
 * uses ranges, gives a silent connection for ever, and does not check what came.
 * @throws UserError when the hub refuses, or answers with something else
 */
export async function listRepository(mirror: HubMirror, options: PullOptions): Promise<HubListing> {
  const { modelInfo, listFiles } = await import("@huggingface/hub");
  const common = { hubUrl: endpoint(), fetch: hubFetch(mirror, options) };
  const { repo, revision = "main" } = mirror;
  try {
    const { sha: commit } = commitInfo.parse(
      await modelInfo({ ...common, name: repo, revision, additionalFields: ["sha"] }),
    );
    const files: HubFile[] = [];
    const found = listFiles({ ...common, repo: { type: "model", name: repo }, revision: commit, recursive: true });
    for await (const item of found) if (item.type === "file") files.push(fileOf(item));
    return { commit, files };
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError || error instanceof RangeError)
      throw new UserError(`the answer of ${new URL(endpoint()).host} on ${repo} has not the form expected of a hub`);
    throw error;
  }
}

function fileOf(item: unknown): HubFile {
  const { path, size: own, oid, lfs } = entry.parse(item);
  const bytes = lfs?.size ?? own;
  return { path, bytes, digest: lfs ? sha256(lfs.oid) : gitBlob(oid, bytes), etag: lfs?.oid ?? oid };
}

/** Of an answer about a repository; the largest are some megabytes. */
const mostBytes = 64 * 2 ** 20;

/** `fetch` for the hub's client: patient, and to the hub's host only, since the token goes with it. */
function hubFetch(mirror: HubMirror, { signal = new AbortController().signal, pace = patient, onNotice }: PullOptions) {
  return async (input: string | URL | Request): Promise<Response> => {
    const url = String(input);
    if (new URL(url).origin !== new URL(endpoint()).origin)
      throw new UserError(`the hub's list of ${mirror.repo} goes on at ${new URL(url).host}, another host; refused`);
    const remote = hubRemote(mirror, url, mirror.repo);
    return persist({ remote, pace, signal, onNotice, bytes: () => 0 }, async () => {
      const connection = await Connection.open(remote, pace, signal);
      const link = connection.response.headers.get("link");
      return new Response(await readAll(connection), { headers: link === null ? {} : { link } });
    });
  };
}

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
