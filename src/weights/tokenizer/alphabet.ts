/** True for bytes that keep their code in GPT-2's alphabet; others map, in order, to U+0100 and up. */
const isPlain = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);

/** The byte of each character code, or -1 (the inverse of `bytes_to_unicode` in GPT-2's encoder.py). */
const byteOf = new Int16Array(0x100 + 68).fill(-1);
for (let byte = 0, next = 0x100; byte < 256; byte++) byteOf[isPlain(byte) ? byte : next++] = byte;

const characterOf: string[] = [];
byteOf.forEach((byte, code) => {
  if (byte >= 0) characterOf[byte] = String.fromCharCode(code);
});

/** The alphabet's character for each byte. */
export const alphabet: readonly string[] = characterOf;

const utf8 = new TextEncoder();

/** Writes the UTF-8 bytes of `text` as characters of the alphabet. */
export function bytesAsText(text: string): string {
  if (/^[!-~]*$/.test(text)) return text;
  let written = "";
  for (const byte of utf8.encode(text)) written += characterOf[byte];
  return written;
}

/**
 * A token's bytes. A token with a character outside the alphabet, such as some added tokens, stands for its own UTF-8.
 */
export function bytesOfToken(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOf[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return utf8.encode(token);
    bytes[i] = byte;
  }
  return bytes;
}

/** Decodes a byte order mark as a character, and invalid UTF-8 as U+FFFD. */
export const utf8Decoder = () => new TextDecoder("utf-8", { ignoreBOM: true });
