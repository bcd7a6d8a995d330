import { distance } from "fastest-levenshtein";

/** Longer names are slips of nothing. */
const LONGEST = 64;

/** Fields that other servers have beside ones of nearly the same name: OpenRouter's models to fall back on. */
const FOREIGN = ["models"];

/** A name without common variations: case, underscores, and the plural's s. */
const plain = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z\d]/g, "")
    .replace(/s$/, "");

/**
 * The one of `names` that `name` is a slip of the hand for: with two neighbouring letters swapped; or one letter off in six, two in ten, as
 * short names have many harmless neighbours; or the same but for case, underscores and a plural.
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
