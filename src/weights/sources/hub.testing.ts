import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { sha256, tempFolder, withEnv } from "./helpers.testing.ts";
import { listen, type Serving, serve, type TestServer } from "./server.testing.ts";

/** A file in a repository; the hub itself serves small files, another host large files. */
export interface HubServed {
  body: Buffer;
  large?: boolean;
  serving?: Partial<Serving>;
  /** False claims that the hub makes about the file. */
  claims?: { oid?: string; size?: number; path?: string };
}

export interface HubOptions {
  files: Record<string, HubServed>;
  /** Error responses: the status and `X-Error-Code` for requests whose path matches. */
  refusals?: { path: RegExp; status: number; code?: string; times?: number; headers?: Record<string, string> }[];
  /** The number of entries per page of the list. */
  page?: number;
  /** The claimed host of the list's next page. */
  nextHost?: string;
  /** Raw text instead of JSON. */
  answer?: string;
}

interface HubRequest {
  method: string;
  path: string;
  authorization: string | undefined;
}

export interface TestHub {
  url: string;
  options: HubOptions;
  commit: string;
  requests: HubRequest[];
  /** The host that serves each large file. */
  storage: Record<string, TestServer>;
  close: () => Promise<void>;
  /** Replaces the repository's files and commit. */
  publish(files: Record<string, HubServed>): Promise<void>;
}

export const gitOid = (body: Buffer): string =>
  createHash("sha1").update(`blob ${body.length}\0`).update(body).digest("hex");

/** The name under which the hub stores a file's contents. */
export const etagOf = ({ body, large = false, claims }: HubServed): string =>
  claims?.oid ?? (large ? sha256(body) : gitOid(body));

/** A hub with one repository, `org/tiny`, as a model and as a data set, with the routes that clients use; the environment points to it. */
export async function serveHub(options: HubOptions): Promise<TestHub> {
  const { url, close } = await listen((request, response) => answer(hub, request, response));
  const hub: TestHub = { url, close, options, commit: "", requests: [], storage: {}, publish };
  async function publish(files: Record<string, HubServed>): Promise<void> {
    hub.options = { ...hub.options, files };
    hub.commit = createHash("sha1")
      .update(
        Object.entries(files)
          .map(([path, f]) => path + etagOf(f))
          .join(),
      )
      .digest("hex");
    for (const [path, { body, large, serving }] of Object.entries(files))
      if (large) hub.storage[path] = await serve({ body, ...serving });
  }
  await publish(options.files);
  const home = tempFolder();
  withEnv({
    MODICUM_HOME: `${home}/modicum`,
    HF_HOME: `${home}/hf`,
    HF_ENDPOINT: url,
    HF_TOKEN: "",
    HF_HUB_OFFLINE: "",
  });
  return hub;
}

function answer(hub: TestHub, request: IncomingMessage, response: ServerResponse): unknown {
  const { pathname, searchParams } = new URL(request.url!, hub.url);
  const { method = "GET" } = request;
  hub.requests.push({ method, path: pathname, authorization: request.headers.authorization });
  const refusal = hub.options.refusals?.find(({ path, times = 1e9 }) => path.test(pathname) && times > 0);
  if (refusal) return refuse(response, refusal);
  const [, revision] = /^\/api\/(?:models|datasets)\/org\/tiny\/revision\/(.+)$/.exec(pathname) ?? [];
  const [, tree] = /^\/api\/(?:models|datasets)\/org\/tiny\/tree\/([^/]+)$/.exec(pathname) ?? [];
  const [, commit, path] = /^(?:\/datasets)?\/org\/tiny\/resolve\/([^/]+)\/(.+)$/.exec(pathname) ?? [];
  if (!/^(\/api\/(models|datasets)|\/datasets)?\/org\/tiny\//.test(pathname))
    return refuse(response, { status: 401, code: "RepoNotFound" });
  if (![hub.commit, "main", "HEAD"].includes(decodeURIComponent(revision ?? tree ?? commit ?? "")))
    return refuse(response, { status: 404, code: "RevisionNotFound" });
  if (hub.options.answer !== undefined) return void response.end(hub.options.answer);
  if (revision) return json(response, infoOf(hub));
  if (tree) return list(hub, Number(searchParams.get("cursor") ?? 0), response);
  return resolveFile(hub, decodeURIComponent(path!), request, response);
}

/** Information about the repository, including the file list that Python's client reads. */
const infoOf = ({ commit, options }: TestHub) => ({
  ...{ _id: "1", id: "org/tiny", sha: commit, lastModified: "2026-01-01T00:00:00.000Z", gated: false },
  siblings: Object.keys(options.files).map((rfilename) => ({ rfilename })),
});

function refuse(
  response: ServerResponse,
  refusal: NonNullable<HubOptions["refusals"]>[number] | { status: number; code: string },
) {
  if ("times" in refusal) refusal.times!--;
  const headers = {
    ...("headers" in refusal && refusal.headers),
    ...(refusal.code && { "x-error-code": refusal.code }),
  };
  response.writeHead(refusal.status, headers).end(JSON.stringify({ error: "no" }));
}

const json = (response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void =>
  void response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));

function list(hub: TestHub, cursor: number, response: ServerResponse): void {
  const { page = 1000, nextHost = hub.url, files } = hub.options;
  const entries = Object.entries(files).map(([path, file]) => entryOf(path, file));
  const folders = [{ type: "directory", path: "sub", size: 0, oid: "0".repeat(40) }];
  const next = `${nextHost}/api/models/org/tiny/tree/${hub.commit}?recursive=true&cursor=${cursor + page}`;
  const more = cursor + page < entries.length + folders.length;
  json(response, [...folders, ...entries].slice(cursor, cursor + page), more ? { link: `<${next}>; rel="next"` } : {});
}

function entryOf(path: string, file: HubServed) {
  const { body, large = false, claims } = file;
  const size = claims?.size ?? body.length;
  const common = { type: "file", path: claims?.path ?? path, size };
  if (!large) return { ...common, oid: etagOf(file) };
  return { ...common, oid: "1".repeat(40), lfs: { oid: etagOf(file), size, pointerSize: 130 } };
}

function resolveFile(hub: TestHub, path: string, request: IncomingMessage, response: ServerResponse): unknown {
  const file = hub.options.files[path];
  if (file === undefined) return refuse(response, { status: 404, code: "EntryNotFound" });
  const etag = `"${etagOf(file)}"`;
  const about = { "x-repo-commit": hub.commit, "accept-ranges": "bytes" };
  if (file.large) {
    const linked = { "x-linked-etag": etag, "x-linked-size": String(file.body.length) };
    return void response.writeHead(302, { ...about, ...linked, location: hub.storage[path]!.url }).end();
  }
  response.writeHead(200, { ...about, etag, "content-length": String(file.body.length) });
  response.end(request.method === "HEAD" ? undefined : file.body);
}
