import { createHash, randomBytes } from "node:crypto";
import type { Context } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { csrfToken } from "./security.ts";

const COOKIE = "papers_reader";
const PATTERN = /^[\w-]{32}$/;
/** Seconds; browsers keep no cookie for longer than 400 days. */
const KEPT = 400 * 86_400;

/** Somebody with a cookie of this server; nothing else is known of them. */
export interface Reader {
  /** Under which the store keeps marks and tags: a hash, so that the store's file gives away no cookie. */
  readonly key: string;
  /** The token of this reader's forms. */
  readonly token: string;
  readonly secret: string;
}

const readerOf = (secret: string): Reader => ({
  key: createHash("sha256").update(secret).digest("base64url"),
  token: csrfToken(secret),
  secret,
});

/** The reader of a request; undefined without a cookie of ours. */
export function knownReader(c: Context): Reader | undefined {
  const secret = getCookie(c, COOKIE);
  return secret !== undefined && PATTERN.test(secret) ? readerOf(secret) : undefined;
}

/** The reader of a request for a page; a new one gets a cookie. */
export function welcome(c: Context, secure: boolean): Reader {
  const known = knownReader(c);
  if (known) return known;
  const secret = randomBytes(24).toString("base64url");
  setCookie(c, COOKIE, secret, { httpOnly: true, sameSite: "Lax", path: "/", maxAge: KEPT, secure });
  return readerOf(secret);
}
