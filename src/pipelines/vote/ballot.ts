import type { VoteOptions } from "./options.ts";

/** An answer, and how often it was sampled. */
export interface AnswerCount {
  /** The answer's text in the first draw that returned it. */
  readonly text: string;
  readonly count: number;
}

interface Entry {
  /** The draw that first returned this answer. */
  readonly draw: number;
  readonly text: string;
  count: number;
}

/** Counts answers until the most frequent one has won; ties go to the answer drawn first. */
export class Ballot {
  readonly #entries = new Map<string, Entry>();
  #drawn = 0;

  constructor(private readonly options: Pick<VoteOptions, "n" | "by">) {}

  /** Counts the next answer. */
  add(text: string): void {
    const key = keyOf(text, this.options.by);
    const entry = this.#entries.get(key);
    if (entry) entry.count++;
    else this.#entries.set(key, { draw: this.#drawn, text: text.trim(), count: 1 });
    this.#drawn++;
  }

  get drawn(): number {
    return this.#drawn;
  }

  /** The number of the draw with the leading answer. @throws RangeError before the first answer */
  get leader(): number {
    return this.#ranked()[0]!.draw;
  }

  /** True once the remaining draws cannot change the winner. */
  get decided(): boolean {
    const open = this.options.n - this.#drawn;
    const [first, ...others] = this.#ranked();
    if (open <= 0 || first === undefined) return open <= 0;
    const beats = (count: number, draw: number) => first.count > count || (first.count === count && first.draw < draw);
    return others.every(({ count, draw }) => beats(count + open, draw)) && beats(open, this.#drawn);
  }

  /** The distinct answers, the most frequent first. */
  counts(): AnswerCount[] {
    return this.#ranked().map(({ text, count }) => ({ text, count }));
  }

  #ranked(): Entry[] {
    return [...this.#entries.values()].sort((a, b) => b.count - a.count || a.draw - b.draw);
  }
}

/** The key that equal answers share. */
function keyOf(text: string, by: VoteOptions["by"]): string {
  const plain = text.trim().replace(/\s+/g, " ").replace(/\.$/, "").toLowerCase();
  switch (by) {
    case "text":
      return plain;
    case "number":
      return lastNumber(plain) ?? plain;
  }
}

/** The last number of a text, without thousands separators. */
const lastNumber = (text: string): string | undefined => {
  const number = text.match(/-?\d[\d,]*(?:\.\d+)?/g)?.at(-1);
  return number === undefined ? undefined : String(Number(number.replaceAll(",", "")));
};
