import type { Context } from "hono";
import type { Mailing } from "../src/mail/mail.ts";
import type { Papers } from "../src/papers.ts";
import type { Kept } from "./kept.ts";
import { type Frame, page } from "./layout.tsx";
import type { RateLimit } from "./rate-limit.ts";
import { type Reader, type Visit, welcome } from "./reader.ts";
import type { Recommendation } from "./recommend.ts";
import type { Reranking } from "./rerank.ts";

/** The context that all routes share. */
export interface Site {
  readonly papers: Papers;
  /** The reranking of results; undefined if it is off. */
  readonly reranking: Reranking | undefined;
  readonly mailing: Mailing;
  readonly recommendations: Kept<readonly Recommendation[] | undefined>;
  /** The public address of the site, without a final slash; by default the origin of each request. */
  readonly url: string | undefined;
  readonly limits: Readonly<Record<"search" | "rerank" | "subscribe", RateLimit>>;
  /** The client of a request, to which the limits apply. */
  readonly clientOf: (c: Context) => string;
}

export const originOf = ({ url }: Site, c: Context): string => url ?? new URL(c.req.url).origin;

/** The path and query of a request. */
export const pathOf = (c: Context): string => {
  const { pathname, search } = new URL(c.req.url);
  return pathname + search;
};

/** True if cookies are for HTTPS alone. */
export const isSecure = (site: Site, c: Context): boolean => originOf(site, c).startsWith("https:");

/** The reader of a page request; a new reader gets a cookie. */
export const readerOf = (site: Site, c: Context): Promise<Reader> => readerIn(site, welcome(c, isSecure(site, c)));

export const readerIn = async ({ papers }: Site, visit: Visit): Promise<Reader> => ({
  ...visit,
  key: await papers.store.accounts.reader(visit.browser),
});

/** Answers with a page that caches must not store, since it shows one reader's marks. */
export function show(site: Site, c: Context, frame: Omit<Frame, "url">, body: Parameters<typeof page>[1]): Response {
  c.header("cache-control", "private, no-cache");
  return c.html(page({ ...frame, url: originOf(site, c) + pathOf(c) }, body)) as Response;
}
