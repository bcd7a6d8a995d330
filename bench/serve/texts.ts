import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tokenizerOf } from "../../src/engine/file/tokenizer-of.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import type { Tokenizer } from "../../src/weights/tokenizer/index.ts";

const root = join(import.meta.dirname, "..", "..");

/** Texts from the project's documents and sources, with different beginnings. */
export class Texts {
  readonly tokenizer: Tokenizer;
  readonly #book: readonly number[];
  #at = 0;

  /** Texts for the GGUF file at `path`. */
  constructor(path: string) {
    this.tokenizer = tokenizerOf(openCheckpoint(path), Number.POSITIVE_INFINITY);
    this.#book = book().flatMap((text) => this.tokenizer.encode(text));
  }

  /** The text `after`, followed by exactly `tokens` tokens. */
  next(tokens: number, after = ""): string {
    const wanted = this.tokenizer.encode(after).length + tokens;
    for (; this.#at + tokens <= this.#book.length; this.#at++) {
      const text = after + this.tokenizer.decode(this.#book.slice(this.#at, this.#at + tokens));
      if (this.tokenizer.encode(text).length !== wanted) continue;
      this.#at += tokens;
      return text;
    }
    throw new Error("the texts are used up");
  }

  /** Bans the end tokens, so that a greedy answer reaches its last token. */
  get endless(): Record<string, number> {
    return Object.fromEntries([...this.tokenizer.stopIds].map((id) => [id, -100]));
  }
}

function book(): string[] {
  const files = ["docs", "src"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  );
  const texts = files.filter((file) => /\.(md|ts)$/.test(file) && !file.endsWith(".test.ts"));
  return ["LICENSE", "README.md", ...texts.sort()].map((file) => readFileSync(join(root, file), "utf8"));
}
