import { UserError } from "../../util/errors.ts";
import { quote } from "../gguf/cursor.ts";
import { jsonIn } from "../json.ts";

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** The maximum length of a list; real headers' lists are less than a tenth as long. */
const MAX_LIST = 64;

/**
 * Reads JSON of a known form, and rejects any deviation at its start, so that a hostile header cannot build anything
 * else in memory.
 */
export class Scanner {
  #at = 0;

  constructor(
    private readonly path: string,
    private readonly text: string,
  ) {}

  fail(expected: string): never {
    const got = this.text.slice(this.#at, this.#at + 12);
    const found = got === "" ? "its end" : JSON.stringify(got);
    throw new UserError(
      `${this.path}: the header is malformed at character ${this.#at}: expected ${expected}, got ${found}`,
    );
  }

  /** Reads an object: `field` reads the value of each key; keys must be unique. */
  object(field: (key: string) => void): void {
    this.#expect("{");
    const keys = new Set<string>();
    this.#items("}", () => {
      const key = this.string();
      if (keys.has(key)) throw new UserError(`${this.path}: the header has the key ${quote(key)} twice`);
      keys.add(key);
      this.#expect(":");
      field(key);
    });
  }

  numbers(): number[] {
    this.#expect("[");
    const numbers: number[] = [];
    this.#items("]", () => {
      if (numbers.length === MAX_LIST) this.fail(`a list of at most ${MAX_LIST} numbers`);
      numbers.push(Number(this.#match(NUMBER) || this.fail("a number")));
    });
    return numbers;
  }

  string(): string {
    this.#match(SPACE);
    if (this.text[this.#at] !== '"') this.fail("a text");
    let end = this.#at + 1;
    while (end < this.text.length && this.text[end] !== '"') end += this.text[end] === "\\" ? 2 : 1;
    const value = (jsonIn(this.text.slice(this.#at, end + 1)) as string | undefined) ?? this.fail("a text");
    this.#at = end + 1;
    return value;
  }

  end(): void {
    this.#match(SPACE);
    if (this.#at < this.text.length) this.fail("nothing more");
  }

  #items(close: string, item: () => void): void {
    if (this.#next(close)) return;
    do item();
    while (this.#next(","));
    this.#expect(close);
  }

  #expect(mark: string): void {
    if (!this.#next(mark)) this.fail(JSON.stringify(mark));
  }

  /** Skips `mark`, if it comes next. */
  #next(mark: string): boolean {
    this.#match(SPACE);
    if (this.text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string {
    if (pattern !== SPACE) this.#match(SPACE);
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}
