import { UserError } from "../../util/errors.ts";

const utf8 = new TextEncoder();

/**
 * SentencePiece's own normalisation: a double-array trie (darts-clone) from byte strings to replacements, which follow
 * the trie, each ended by a zero byte. A grapheme of up to five bytes is looked up whole, then by character, as in
 * transformers' `spm_precompiled`.
 * @throws UserError if the trie does not fit in `map`
 */
export function precompiled(map: Buffer): (text: string) => string {
  const size = map.length < 4 ? -1 : map.readUInt32LE(0);
  if (size < 0 || size % 4 !== 0 || size + 4 > map.length) throw new UserError("precompiled_charsmap is truncated");
  const units = new Uint32Array(size / 4).map((_, i) => map.readUInt32LE(4 + 4 * i));
  const replacements = map.subarray(4 + size);
  const replacement = (text: string): string | undefined => {
    const at = firstPrefix(units, utf8.encode(text));
    return at === undefined ? undefined : replacements.toString("utf8", at, endOf(replacements, at));
  };
  const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  const rewrite = (grapheme: string): string => {
    const whole = Buffer.byteLength(grapheme) < 6 ? replacement(grapheme) : undefined;
    return whole ?? Array.from(grapheme, (character) => replacement(character) ?? character).join("");
  };
  return (text) => Array.from(graphemes.segment(text), ({ segment }) => rewrite(segment)).join("");
}

/** The value of the shortest prefix of `key` in the trie, like Rust's `transform`. */
function firstPrefix(units: Uint32Array, key: Uint8Array): number | undefined {
  let node = offset(units[0] ?? 0);
  for (const byte of key) {
    if (byte === 0) return undefined;
    node ^= byte;
    const unit = units[node];
    if (unit === undefined || label(unit) !== byte) return undefined;
    node ^= offset(unit);
    if (((unit >>> 8) & 1) === 1) return (units[node] ?? 0) & 0x7fff_ffff;
  }
  return undefined;
}

const label = (unit: number) => (unit & ((2 ** 31) | 0xff)) >>> 0;
const offset = (unit: number) => ((unit >>> 10) << ((unit & (1 << 9)) >>> 6)) >>> 0;

function endOf(replacements: Buffer, at: number): number {
  const end = replacements.indexOf(0, at);
  return end < 0 ? replacements.length : end;
}
