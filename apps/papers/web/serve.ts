import type { AddressInfo } from "node:net";
import { serve as listen, type ServerType } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import type { Context } from "hono";
import { checkReranker, openReranker, UserError } from "modicum";
import { z } from "zod";
import type { Mailing } from "../src/mail/mail.ts";
import { inOption } from "../src/options.ts";
import type { Papers } from "../src/papers.ts";
import { createSite } from "./app.tsx";
import { Kept } from "./kept.ts";
import { RateLimit } from "./rate-limit.ts";
import { Reranking } from "./rerank.ts";
import type { Site } from "./site.ts";

export const serveOptions = z.strictObject({
  host: z.string().default("127.0.0.1").describe("address to listen on"),
  port: z.int().min(0).max(65_535).default(8090).describe("port to listen on; 0 picks a free one"),
  reranker: z.string().default("ms-marco").describe("the reranker of search results; none: no reranking"),
});

export type ServeOptions = z.output<typeof serveOptions>;

export interface Serving {
  readonly url: string;
  close(): Promise<void>;
}

/** The maximum number of cached rankings, one for each set of saved papers. */
const KEPT = 200;

/** The parts of the application that the pages show. */
export interface Served {
  readonly papers: Papers;
  readonly mailing: Mailing;
  /** The public address of the pages. */
  readonly url: string | undefined;
}

/** The context of the routes. */
export function siteOf(served: Served, reranker: string, clientOf: (c: Context) => string): Site {
  return {
    ...served,
    reranking:
      reranker === "none"
        ? undefined
        : new Reranking(
            () => openReranker(reranker),
            (receipt) => served.papers.store.receipts.add("rerank", receipt),
          ),
    recommendations: new Kept(KEPT),
    limits: { search: new RateLimit(120, 60), rerank: new RateLimit(6, 5), subscribe: new RateLimit(1, 5) },
    clientOf,
  };
}

/** Serves the pages over HTTP. @throws UserError if the reranker's name is unknown or the port is unavailable */
export async function servePapers(
  served: Served,
  options: ServeOptions,
  report: (error: Error) => void,
): Promise<Serving> {
  if (options.reranker !== "none") await inOption("--reranker", checkReranker(options.reranker));
  const site = siteOf(served, options.reranker, clientOf(served));
  const { fetch } = createSite(site, report);
  const server = await listening(
    (done) => listen({ fetch, hostname: options.host, port: options.port }, done),
    options,
  );
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      if ("closeAllConnections" in server) server.closeAllConnections();
    });
    await site.reranking?.close();
  };
  return { url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`, close };
}

function listening(start: (done: () => void) => ServerType, { host, port }: ServeOptions): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = start(() => resolve(server));
    server.once("error", ({ message }) => reject(new UserError(`cannot listen on ${host}:${port}: ${message}`)));
  });
}

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

/** The connection's address; behind a proxy on this machine, the address that the proxy saw. */
const clientOf =
  ({ url }: Served) =>
  (c: Context): string => {
    const address = getConnInfo(c).remote.address ?? "";
    const seen = c.req.header("x-forwarded-for")?.split(",").at(-1)?.trim();
    return url !== undefined && seen && LOOPBACK.test(address) ? seen : address;
  };
