import { readFileSync } from "node:fs";
import { openGguf } from "../gguf/index.ts";
import { resolveModel } from "../sources/index.ts";
import { bytesOfToken } from "./alphabet.ts";
import { fromGguf, type TokenizerSource } from "./source.ts";

/** SmolLM2's own vocabulary, downloaded once. */
export async function smollm2(): Promise<TokenizerSource> {
  const { path } = await resolveModel("smollm2");
  return fromGguf(openGguf(path).metadata);
}

/** A file written by tools/reference/tokenizer.py. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), "utf8"));
}

/** A vocabulary of the 256 bytes and a few special tokens, which can encode every text. */
export function byteSource(
  specialTokens: readonly string[] = [],
  rest: Partial<TokenizerSource> = {},
): TokenizerSource {
  const tokens = [...Array.from({ length: 256 }, (_, byte) => characterOf(byte)), ...specialTokens];
  const tokenTypes = tokens.map((_, id) => (id < 256 ? 1 : 3));
  return { path: "tiny.gguf", model: "gpt2", pre: "smollm", tokens, tokenTypes, merges: [], ...rest };
}

function characterOf(byte: number): string {
  const codes = Array.from({ length: 0x144 }, (_, code) => String.fromCharCode(code));
  // Searched from the end, because a character below U+0021 also stands for its byte, but is not in the alphabet.
  return codes.findLast((character) => bytesOfToken(character).length === 1 && bytesOfToken(character)[0] === byte)!;
}

/** Cuts `text` into pieces of 0 to `longest` code units. */
export function randomSplit(text: string, longest: number, next: () => number): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; at += parts.at(-1)!.length) {
    parts.push(text.slice(at, at + Math.floor(next() * (longest + 1))));
  }
  return parts;
}
