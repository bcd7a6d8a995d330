/** A call in Python: a function's name, and arguments by name. */
export interface PythonCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

const WORDS: Readonly<Record<string, unknown>> = {
  True: true,
  False: false,
  None: null,
  true: true,
  false: false,
  null: null,
};
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ...Object.entries({ n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", a: "\x07", v: "\v", 0: "\0" }),
  ...[..."\\'\"/"].map((letter): [string, string] => [letter, letter]),
  // A line continuation.
  ["\n", ""],
]);
/** The number of hexadecimal digits in a character escape, by its letter. */
const DIGITS: ReadonlyMap<string, number> = new Map([
  ["x", 2],
  ["u", 4],
  ["U", 8],
]);

/** A list of calls, `[f(a="b"), g()]`, or a single call; undefined for other texts. */
export function pythonCalls(text: string): readonly PythonCall[] | undefined {
  try {
    return new Reader(text.trim()).calls();
  } catch (error) {
    if (error instanceof NotPython) return undefined;
    throw error;
  }
}

/** A value in Python syntax. */
export function pythonOf(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null || value === undefined) return "None";
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const pairs = Object.entries(value).map(([key, own]) => `${JSON.stringify(key)}: ${pythonOf(own)}`);
  return `{${pairs.join(", ")}}`;
}

/** The maximum nesting depth of lists. */
const MOST_DEPTH = 64;

class NotPython extends Error {}

/** Reads Python literals from the start of a text. */
class Reader {
  #at = 0;
  #depth = 0;

  constructor(private readonly text: string) {}

  calls(): PythonCall[] {
    const calls = this.#next("[") ? this.#listed("]", () => this.#call()) : [this.#call()];
    this.#space();
    if (this.#at < this.text.length) throw new NotPython();
    return calls;
  }

  #call(): PythonCall {
    const name = this.#matched(/[\w.-]+/y);
    this.#expect("(");
    const values = this.#listed(")", () => {
      const key = this.#matched(/\w+/y);
      this.#expect("=");
      return [key, this.#value()] as const;
    });
    return { name, arguments: Object.fromEntries(values) };
  }

  #value(): unknown {
    if (++this.#depth > MOST_DEPTH) throw new NotPython();
    const value = this.#literal();
    this.#depth--;
    return value;
  }

  #literal(): unknown {
    this.#space();
    const first = this.text[this.#at];
    if (first === '"' || first === "'") return this.#string(first);
    if (this.#next("[")) return this.#listed("]", () => this.#value());
    if (this.#next("(")) return this.#listed(")", () => this.#value());
    if (this.#next("{")) return Object.fromEntries(this.#listed("}", () => this.#pair()));
    const word = this.#matched(/[\w.+-]+/y);
    if (Object.hasOwn(WORDS, word)) return WORDS[word];
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) throw new NotPython();
    return Number(word);
  }

  #pair(): readonly [string, unknown] {
    const key = this.#value();
    this.#expect(":");
    return [String(key), this.#value()];
  }

  #string(quote: string): string {
    let value = "";
    for (this.#at++; this.#at < this.text.length; this.#at++) {
      const letter = this.text[this.#at]!;
      if (letter === quote) {
        this.#at++;
        return value;
      }
      value += letter === "\\" ? this.#escaped() : letter;
    }
    throw new NotPython();
  }

  #escaped(): string {
    const letter = this.text[++this.#at] ?? "";
    const digits = DIGITS.get(letter);
    if (digits !== undefined) return this.#code(digits);
    const found = ESCAPES.get(letter);
    if (found !== undefined) return found;
    // Octal numbers and character names are not supported; other letters stay as they are, with their backslash.
    if (/[1-7N]/.test(letter)) throw new NotPython();
    return `\\${letter}`;
  }

  /** A character from hexadecimal digits. */
  #code(digits: number): string {
    const code = this.text.slice(this.#at + 1, this.#at + 1 + digits);
    const point = /^[\da-f]+$/i.test(code) && code.length === digits ? Number.parseInt(code, 16) : Number.NaN;
    if (!(point <= 0x10ffff)) throw new NotPython();
    this.#at += digits;
    return String.fromCodePoint(point);
  }

  /** Items separated by commas, up to `close`. */
  #listed<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.#next(close)) {
      if (items.length > 0) this.#expect(",");
      if (this.#next(close)) break;
      items.push(item());
    }
    return items;
  }

  #next(letter: string): boolean {
    this.#space();
    if (this.text[this.#at] !== letter) return false;
    this.#at++;
    return true;
  }

  #expect(letter: string): void {
    if (!this.#next(letter)) throw new NotPython();
  }

  #matched(pattern: RegExp): string {
    this.#space();
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.text) ?? [];
    if (found === undefined) throw new NotPython();
    this.#at += found.length;
    return found;
  }

  #space(): void {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at++;
  }
}
