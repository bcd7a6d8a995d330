/** Windows-1252's characters for the bytes 0x80 to 0x9f; Node 20's decoder maps these bytes as in Latin-1. */
const UNLIKE_LATIN_1 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";
/** Bytes by their Windows-1252 characters. */
const shownAs = new Map<string, number>(
  Array.from({ length: 128 }, (_, i) => [UNLIKE_LATIN_1[i] ?? String.fromCharCode(128 + i), 128 + i]),
);
const shown = (from: number, to: number) => [...shownAs].filter(([, byte]) => byte >= from && byte <= to);
const set = (from: number, to: number) =>
  `[${shown(from, to)
    .map(([character]) => character)
    .join("")}]`;

/** The bytes of one UTF-8 character, decoded as Windows-1252: `Ã©` for `é`. */
const MOJIBAKE = new RegExp(`${set(0xc2, 0xf4)}${set(0x80, 0xbf)}{1,3}`, "gu");

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decoded(characters: string): string {
  try {
    return utf8.decode(Uint8Array.from(characters, (character) => shownAs.get(character)!));
  } catch {
    return characters;
  }
}

/** Repairs wrongly decoded text; control characters become spaces. */
const repaired = (text: string): string =>
  text
    .replace(MOJIBAKE, decoded)
    .normalize("NFC")
    .replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029\ufffd]/gu, " ");

/**
 * A text on one line, at most `words` words long. Square brackets become round, because they mark identifiers in
 * prompts.
 */
export function oneLine(text: string, words = Number.POSITIVE_INFINITY): string {
  const all = repaired(unwrapped(text)).replaceAll("[", "(").replaceAll("]", ")").trim().split(/\s+/u);
  return all.slice(0, words).join(" ");
}

/** Removes the markers that some data sets put before title and body. */
const unwrapped = (text: string): string => text.replace(/^Title: (.*?)\s+Content: /s, "$1 ");
