import type { MarkKind, Paper } from "../src/paper.ts";
import type { Store } from "../src/store.ts";
import type { Reader } from "./reader.ts";

/** A reader's marks and tags, and the fields for their forms. */
export interface Marks {
  readonly of: (paper: Pick<Paper, "id">) => ReadonlySet<MarkKind>;
  readonly tagsOf: (paper: Pick<Paper, "id">) => ReadonlySet<string>;
  /** All tags of the reader, in alphabetical order. */
  readonly tags: readonly string[];
  /** Papers with this mark, newest mark first. */
  readonly having: (kind: MarkKind) => string[];
  readonly token: string;
  /** The page to return to, from the server's root. */
  readonly next: string;
}

const NONE: ReadonlySet<never> = new Set();

export async function marksOf({ readers }: Store, { key, token }: Reader, next: string): Promise<Marks> {
  const [marks, tags] = [await readers.marks(key), await readers.tags(key)];
  return {
    of: ({ id }) => marks.get(id) ?? NONE,
    tagsOf: ({ id }) => tags.get(id) ?? NONE,
    tags: [...new Set([...tags.values()].flatMap((some) => [...some]))].sort(),
    having: (kind) => [...marks].filter(([, kinds]) => kinds.has(kind)).map(([id]) => id),
    token,
    next,
  };
}
