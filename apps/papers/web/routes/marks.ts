import type { Context } from "hono";
import { type MarkKind, markKinds } from "../../src/paper.ts";
import { refusal } from "../refusal.ts";
import type { Site } from "../site.ts";
import { tagName } from "../tags.ts";
import { type Form, formOf } from "./form.ts";
import { paperAt } from "./paper.tsx";

const LONGEST_TAG = 40;
/** The maximum number of tags that a reader can give a paper. */
const MOST_TAGS = 20;

/** Redirects to the page that the form was on; to `/` if the form names another server. */
function back(c: Context, form: Form): Response {
  const next = form.text("next");
  const own =
    /^\/(?![/\\])/.test(next) && URL.canParse(next, "http://own") && new URL(next, "http://own").host === "own";
  return c.redirect(own ? next : "/", 303);
}

/** `POST /papers/ID/marks`: saves a paper, votes for it, marks it as read, or undoes one of these. */
export async function mark(site: Site, c: Context): Promise<Response> {
  const form = await formOf(site, c);
  const { id } = await paperAt(site, c);
  const [change, kind] = form.text("mark").split(":");
  const known = markKinds.find((one): one is MarkKind => one === kind);
  if (!known || (change !== "on" && change !== "off"))
    throw refusal(400, "mark: expected on:save, off:save and the like");
  const { readers } = site.papers.store;
  await (change === "on" ? readers.mark(form.reader.key, id, known) : readers.unmark(form.reader.key, id, known));
  return back(c, form);
}

/** `POST /papers/ID/tags`: adds or removes a tag. */
export async function tag(site: Site, c: Context): Promise<Response> {
  const form = await formOf(site, c);
  const { id } = await paperAt(site, c);
  const name = tagName(form.text("tag"));
  if (name === "" || name.length > LONGEST_TAG || name.includes('"'))
    throw refusal(400, `a tag has 1 to ${LONGEST_TAG} characters and no quotes`);
  const { readers } = site.papers.store;
  if (form.text("change") === "off") await readers.untag(form.reader.key, id, name);
  else if (((await readers.tags(form.reader.key)).get(id)?.size ?? 0) >= MOST_TAGS)
    throw refusal(400, `a paper has at most ${MOST_TAGS} tags per reader`);
  else await readers.tag(form.reader.key, id, name);
  return back(c, form);
}
