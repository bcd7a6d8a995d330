import { createHash } from "node:crypto";

const NEW_ID = /^\d{4}\.\d{4,5}$/;
const OLD_ID = /^[a-z-]+(\.[A-Z]{2})?\/\d{7}$/;
const LONGEST = 80;

/**
 * The identifier at arXiv in a text such as `arXiv:2503.16428v2` or `https://arxiv.org/abs/2503.16428`, without its
 * version; null if none. Identifiers: info.arxiv.org/help/arxiv_identifier.html.
 */
export function arxivId(text: string): string | null {
  const bare = text
    .trim()
    .replace(/^https?:\/\/[^/]*arxiv\.org\/(abs|pdf|html)\//i, "")
    .replace(/^(oai:arXiv\.org:|arxiv:)/i, "")
    .replace(/\.pdf$/i, "")
    .replace(/v\d+$/, "");
  return NEW_ID.test(bare) || OLD_ID.test(bare) ? bare : null;
}

/** A title's letters and digits in lower case, words joined by `-`: the same for all spellings. */
export const titleKey = (title: string): string =>
  title
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-|-$/g, "");

/** The paper's address. Long titles are cut, and distinguished by a hash. */
export function addressOf(arxiv: string | null, key: string): string {
  if (arxiv !== null) return arxiv.replace("/", "-");
  if (key.length <= LONGEST) return key;
  return `${key.slice(0, LONGEST)}-${createHash("sha256").update(key).digest("hex").slice(0, 8)}`;
}
