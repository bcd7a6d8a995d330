import { distance } from "fastest-levenshtein";

/** Longer names are slips of nothing. */
const LONGEST = 64;

/** A name without common variations: case, underscores, and the plural's s. */
const plain = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z\d]/g, "")
    .replace(/s$/, "");

/**
 * The one of `names` that `name` is a slip of the hand for: the same but for case, underscores and a plural; with two neighbouring letters
 * swapped; or one letter off in six, two in ten. Short names have too many harmless neighbours for more.
 */
export function slipOf(name: string, names: readonly string[]): string | undefined {
  if (name.length > LONGEST) return undefined;
  const written = plain(name);
  return names.find((known) => isSlip(written, plain(known)));
}

function isSlip(written: string, known: string): boolean {
  if (written === known) return written !== "";
  const edits = known.length >= 10 ? 2 : known.length >= 6 ? 1 : 0;
  if (Math.abs(written.length - known.length) > edits) return false;
  return isSwapped(written, known) || (edits > 0 && distance(written, known) <= edits);
}

function isSwapped(a: string, b: string): boolean {
  if (a.length !== b.length || a.length < 4) return false;
  const at = [...a].findIndex((letter, i) => letter !== b[i]);
  return a[at] === b[at + 1] && a[at + 1] === b[at] && a.slice(at + 2) === b.slice(at + 2);
}
