import type { Context } from "hono";
import { knownVisit, type Reader } from "../reader.ts";
import { refusal } from "../refusal.ts";
import { isCsrfToken } from "../security.ts";
import { readerIn, type Site } from "../site.ts";

/** A form submitted from one of this server's pages. */
export interface Form {
  readonly reader: Reader;
  /** The field's text; empty if none. */
  readonly text: (name: string) => string;
  /** All texts of a field. */
  readonly all: (name: string) => string[];
}

/** Reads a form that one of this server's pages sent for its reader. @throws HTTPException 403 for any other form */
export async function formOf(site: Site, c: Context): Promise<Form> {
  const body = await c.req.parseBody({ all: true });
  const all = (name: string) => [body[name]].flat().filter((value) => typeof value === "string");
  const text = (name: string) => all(name)[0] ?? "";
  const visit = knownVisit(c);
  if (!visit || !isCsrfToken(visit.secret, text("token")))
    throw refusal(403, "this form was not sent from your page; allow cookies, reload the page and retry");
  return { reader: await readerIn(site, visit), text, all };
}
