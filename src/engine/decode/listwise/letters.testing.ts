import { readFileSync } from "node:fs";

/** The tiny random Llama with a longer context; `A` to `P`, `[`, `]` and `>` replace 19 of its tokens. */
export function tinyWithLetters(): Buffer {
  const gguf = readFileSync(new URL("../../../models/fixtures/llama-tiny.gguf", import.meta.url));
  const [from, to] = ["0123456789.,?!-'jqz", "ABCDEFGHIJKLMNOP[]>"];
  for (const [i, character] of [...from].entries()) gguf[tokenAt(gguf, character)] = to.charCodeAt(i);
  const key = "llama.context_length";
  gguf.writeUInt32LE(4096, gguf.indexOf(key) + key.length + 4);
  return gguf;
}

/** The file offset of a one-character token's text, which follows its length. */
const tokenAt = (gguf: Buffer, character: string): number =>
  gguf.indexOf(Buffer.concat([Buffer.of(1, 0, 0, 0, 0, 0, 0, 0), Buffer.from(character)])) + 8;
