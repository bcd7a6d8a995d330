import type { Context } from "hono";
import { knownReader, type Reader } from "../reader.ts";
import { refusal } from "../refusal.ts";
import { isCsrfToken } from "../security.ts";

/** A form of ours. */
export interface Form {
  readonly reader: Reader;
  /** The field's text; empty if there is none. */
  readonly text: (name: string) => string;
  /** All texts of a field. */
  readonly all: (name: string) => string[];
}

/** A form that one of our pages sent for its reader. @throws HTTPException 403 for any other */
export async function formOf(c: Context): Promise<Form> {
  const body = await c.req.parseBody({ all: true });
  const all = (name: string) => [body[name]].flat().filter((value) => typeof value === "string");
  const text = (name: string) => all(name)[0] ?? "";
  const reader = knownReader(c);
  if (!reader || !isCsrfToken(reader.secret, text("token")))
    throw refusal(403, "this form is not from a page of yours; allow cookies, load the page again and retry");
  return { reader, text, all };
}
