import { readFileSync } from "node:fs";

/** A piece of a real file, key by key. */
export interface Trace {
  /** Its file, and the origin of its times. */
  readonly file: string;
  readonly about: string;
  /** The text before and after the place where typing begins. */
  readonly before: string;
  readonly after: string;
  readonly keys: readonly Key[];
}

/** A key, or a line break with the indentation that the editor adds. */
export interface Key {
  /** Milliseconds since the first. */
  readonly at: number;
  readonly insert: string;
}

export const readTrace = (path: string): Trace => JSON.parse(readFileSync(path, "utf8"));

/** The text before the cursor after each key. */
export function* typed({ before, keys }: Trace): Generator<{ key: Key; before: string }> {
  let text = before;
  for (const key of keys) {
    text += key.insert;
    yield { key, before: text };
  }
}
