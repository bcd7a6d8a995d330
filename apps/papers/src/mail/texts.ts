import { html } from "hono/html";
import type { Receipt } from "modicum";
import type { Paper } from "../paper.ts";
import type { Wish } from "./wish.ts";

/** An email's contents, as plain text and as HTML. */
export interface Texts {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** The maximum number of characters of an abstract in a digest. */
const SHOWN = 400;

const shortened = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN).trimEnd()}…` : text);

const page = (title: string, body: unknown): string =>
  `${html`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body style="font: 16px/1.5 sans-serif; max-width: 38em; margin: 0 auto; padding: 1em">${body}</body></html>`}`;

const wishText = ({ frequency, topics, tags, most }: Wish): string =>
  [
    `${frequency === "daily" ? "each day" : "each week"} at most ${most} papers`,
    ...(topics.length > 0 ? [`on ${topics.join(", ")}`] : []),
    ...(tags.length > 0 ? [`with the tags ${tags.join(", ")}`] : []),
  ].join(", ");

/** The email that asks whether the address's owner wants the digests. */
export function confirmTexts(wish: Wish, link: string): Texts {
  const subject = "Confirm your subscription to daily papers";
  const reason = `Somebody, hopefully you, asked for a digest of papers at this address: ${wishText(wish)}.`;
  const rest = "If it was not you, do nothing: you will get no further mail. The link works for two days.";
  return {
    subject,
    text: `${reason}\n\nConfirm it here:\n${link}\n\n${rest}\n`,
    html: page(subject, html`<p>${reason}</p><p><a href="${link}">Confirm the subscription</a></p><p>${rest}</p>`),
  };
}

/** The email with a sign-in link; it is the same whether the address has an account or not. */
export function signInTexts(link: string): Texts {
  const subject = "Sign in to daily papers";
  const reason = "Somebody, hopefully you, asked to sign a browser in with this address.";
  const how = "The link works once, for an hour, in any browser. Do not pass it on.";
  const rest = "If it was not you, do nothing.";
  return {
    subject,
    text: `${reason}\n\nSign in here:\n${link}\n\n${how} ${rest}\n`,
    html: page(subject, html`<p>${reason}</p><p><a href="${link}">Sign in</a></p><p>${how} ${rest}</p>`),
  };
}

export interface Digest {
  readonly papers: readonly Paper[];
  /** The cost of these pages' models; null if none ran. */
  readonly receipt: Receipt | null;
  /** Address of the pages. */
  readonly url: string;
  readonly unsubscribe: string;
}

/** The digest email, which lists a period's papers. */
export function digestTexts(digest: Digest): Texts {
  const { papers, receipt, unsubscribe } = digest;
  const subject =
    papers.length === 1
      ? `Daily papers: ${papers[0]!.title}`
      : `Daily papers: ${papers.length} papers, ${papers[0]!.title}`;
  const why = "You get this mail because you confirmed a subscription.";
  const [bill, leave] = [receiptText(receipt), `${why} Unsubscribe: ${unsubscribe}`];
  const items = papers.map((paper) => ({ ...shownOf(paper), link: linkTo(digest, paper) }));
  const plain = items.map(({ title, facts, words, link }) => [title, facts, link, "", words].join("\n"));
  return {
    subject,
    text: `${[...plain, `-- \n${bill}\n${leave}`].join("\n\n\n")}\n`,
    html: page(
      subject,
      html`${items.map(
        ({ title, facts, words, link }) =>
          html`<h2 style="font-size: 18px; margin-bottom: 0"><a href="${link}">${title}</a></h2>
<p style="margin: 0; color: #555">${facts}</p><p>${words}</p>`,
      )}<hr><p style="font-size: 14px; color: #555">${bill}<br>${why} <a href="${unsubscribe}">Unsubscribe</a></p>`,
    ),
  };
}

const linkTo = ({ url }: Digest, { id }: Paper): string => `${url}/papers/${encodeURIComponent(id)}`;

function shownOf({ title, abstract, authors, authorCount, published, summary }: Paper) {
  const who = authors
    ? authors.slice(0, 3).join(", ") + (authors.length > 3 ? " and others" : "")
    : countText(authorCount);
  const words = summary ? `${summary.text} (Written by ${summary.model}.)` : shortened(abstract);
  return { title, words, facts: [who, published].filter((part) => part !== null && part !== "").join(" · ") };
}

const countText = (count: number | null): string =>
  count === null ? "" : count === 1 ? "1 author" : `${count} authors`;

/** The cost of a digest's papers, in one sentence. */
function receiptText(receipt: Receipt | null): string {
  if (!receipt) return "Receipt: no model ran for these papers.";
  const { dense, spent, saved } = receipt.flops;
  const share = Math.round(100 * saved);
  const beside = `, ${Math.abs(share)} % ${share > 0 ? "less" : "more"} than the ${giga(dense)} without savings`;
  return [
    `Receipt ${receipt.id}: since these papers came in, search, topics and summaries of all papers took`,
    `${giga(spent)} GFLOPs${share === 0 ? "" : beside}.`,
  ].join(" ");
}

const giga = (flops: number): string => (flops / 1e9).toPrecision(3);
