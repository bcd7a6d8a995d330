import { createHmac, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";

/** Pages load only this server's script and style sheet, and send forms only to it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

export const securityHeaders: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(HEADERS)) c.res.headers.set(name, value);
};

/** A form's token. It needs no server secret: nobody else knows the reader's cookie. */
export const csrfToken = (reader: string): string =>
  createHmac("sha256", reader).update("papers form").digest("base64url");

export function isCsrfToken(reader: string, token: unknown): boolean {
  const [expected, got] = [Buffer.from(csrfToken(reader)), Buffer.from(typeof token === "string" ? token : "")];
  return expected.length === got.length && timingSafeEqual(expected, got);
}

/** A source's link to a paper, if it leads to the web; undefined for `javascript:` and the like. */
export function webLink(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, href } = new URL(url);
  return protocol === "https:" || protocol === "http:" ? href : undefined;
}
