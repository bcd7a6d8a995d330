import { createHash, randomBytes } from "node:crypto";
import type { Context } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { csrfToken } from "./security.ts";

const COOKIE = "papers_reader";
const PATTERN = /^[\w-]{32}$/;
/** The cookie's lifetime in seconds; browsers keep cookies for at most 400 days. */
const KEPT = 400 * 86_400;

/** A browser that holds a cookie from this server. */
export interface Visit {
  /** The browser's name in the store: a hash, so that the store's file reveals no cookie. */
  readonly browser: string;
  /** The token that the browser's forms send. */
  readonly token: string;
  readonly secret: string;
}

/** A reader with a cookie of this server, and the mail address after signing in. */
export interface Reader extends Visit {
  /** The name under which marks and tags are stored: the account's, else the browser's. */
  readonly key: string;
}

const visitOf = (secret: string): Visit => ({
  browser: createHash("sha256").update(secret).digest("base64url"),
  token: csrfToken(secret),
  secret,
});

/** The browser of a request; undefined without this server's cookie. */
export function knownVisit(c: Context): Visit | undefined {
  const secret = getCookie(c, COOKIE);
  return secret !== undefined && PATTERN.test(secret) ? visitOf(secret) : undefined;
}

/** The browser of a page request; a new browser gets a cookie. */
export const welcome = (c: Context, secure: boolean): Visit => knownVisit(c) ?? giveCookie(c, newVisit(), secure);

export const newVisit = (): Visit => visitOf(randomBytes(24).toString("base64url"));

/** Sets a visit's cookie, replacing any earlier cookie. */
export function giveCookie(c: Context, visit: Visit, secure: boolean): Visit {
  setCookie(c, COOKIE, visit.secret, { httpOnly: true, sameSite: "Lax", path: "/", maxAge: KEPT, secure });
  return visit;
}
