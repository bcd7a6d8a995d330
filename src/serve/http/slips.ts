import { distance } from "fastest-levenshtein";

/** Longer names do not count as typos. */
const LONGEST = 64;

/** Other servers' fields that resemble known ones without being typos: OpenRouter's fallback models. */
const FOREIGN = ["models"];

/** A name without common variations: case, underscores, and a plural s. */
const plain = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z\d]/g, "")
    .replace(/s$/, "");

/**
 * The known name of which `name` is a typo: two neighbouring letters swapped; one letter off in names of at least six
 * letters, two in names of at least ten, since short names have many harmless neighbours; or equal except for case,
 * underscores and a plural.
 */
export function slipOf(name: string, names: Iterable<string>): string | undefined {
  if (name.length > LONGEST || FOREIGN.includes(name)) return undefined;
  const written = plain(name);
  return [...names].find((known) => written === plain(known) || isMisspelt(written, plain(known)));
}

function isMisspelt(written: string, known: string): boolean {
  if (written === known) return false;
  const edits = known.length >= 10 ? 2 : known.length >= 6 ? 1 : 0;
  if (Math.abs(written.length - known.length) > edits) return false;
  return isSwapped(written, known) || (edits > 0 && distance(written, known) <= edits);
}

function isSwapped(a: string, b: string): boolean {
  if (a.length !== b.length || a.length < 4) return false;
  const at = [...a].findIndex((letter, i) => letter !== b[i]);
  return a[at] === b[at + 1] && a[at + 1] === b[at] && a.slice(at + 2) === b.slice(at + 2);
}
