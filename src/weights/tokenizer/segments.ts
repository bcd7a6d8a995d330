/** A segment of text; `special` is true if the segment is exactly one special token. */
export interface Segment {
  text: string;
  special: boolean;
}

/** Plain text to insert on both sides of a special token. */
export interface Gap {
  readonly token: string;
  readonly text: string;
}

/** Surrounds each of a gap's tokens with the gap's text, joined to adjacent plain text. */
export function withGaps(segments: readonly Segment[], { token, text }: Gap): Segment[] {
  const all: Segment[] = [];
  const put = (segment: Segment) => {
    const last = all.at(-1);
    if (!last || last.special || segment.special) all.push({ ...segment });
    else last.text += segment.text;
  };
  for (const segment of segments) {
    const gap = segment.special && segment.text === token ? [{ text, special: false }] : [];
    for (const each of [...gap, segment, ...gap]) put(each);
  }
  return all;
}

/** White space that a token absorbs from the adjacent text. */
export interface Strip {
  left: boolean;
  right: boolean;
}

/** Finds special tokens in texts; a vocabulary may have thousands. */
export class TokenTexts {
  private readonly texts: ReadonlySet<string>;
  /** The lengths of tokens by the code of their first character, longest first. */
  private readonly lengths = new Map<number, number[]>();
  private readonly byFirst: ReadonlyMap<string, readonly string[]>;
  private readonly byLast: ReadonlyMap<string, readonly string[]>;
  private readonly longest: number;

  constructor(texts: readonly string[]) {
    this.texts = new Set(texts.filter((text) => text !== ""));
    this.byFirst = grouped(this.texts, (text) => text[0]!);
    this.byLast = grouped(this.texts, (text) => text.at(-1)!);
    for (const [first, group] of this.byFirst) {
      const lengths = new Set(group.map((text) => text.length));
      this.lengths.set(
        first.charCodeAt(0),
        Array.from(lengths).sort((a, b) => b - a),
      );
    }
    this.longest = Math.max(0, ...Array.from(this.lengths.values(), (lengths) => lengths[0]!));
  }

  /** The longest token that begins at `place`. */
  at(text: string, place: number): string | undefined {
    const lengths = this.lengths.get(text.charCodeAt(place));
    if (lengths === undefined) return undefined;
    const length = lengths.find((length) => this.texts.has(text.slice(place, place + length)));
    return length === undefined ? undefined : text.slice(place, place + length);
  }

  /** Splits `text` at tokens, the longest if several begin at the same place. Omits empty segments. */
  split(text: string): Segment[] {
    const segments: Segment[] = [];
    let from = 0;
    for (let place = 0; place < text.length; ) {
      const token = this.at(text, place);
      if (token === undefined) place++;
      else {
        if (place > from) segments.push({ text: text.slice(from, place), special: false });
        segments.push({ text: token, special: true });
        place += token.length;
        from = place;
      }
    }
    if (from < text.length) segments.push({ text: text.slice(from), special: false });
    return segments;
  }

  /** True if a token could contain all of `text`. */
  holds(text: string): boolean {
    return text.length <= this.longest && Array.from(this.texts).some((token) => token.includes(text));
  }

  /** True if a token could end within `text`, having begun before it. */
  endsIn(text: string): boolean {
    return this.within(text, (length) => {
      const end = text.slice(0, length);
      return this.byLast.get(end.at(-1)!)?.some((token) => token.endsWith(end));
    });
  }

  /** True if a token could begin within `text` and end after it. */
  beginsIn(text: string): boolean {
    return this.within(text, (length) => {
      const start = text.slice(-length);
      return this.byFirst.get(start[0]!)?.some((token) => token.startsWith(start));
    });
  }

  private within(text: string, meets: (length: number) => boolean | undefined): boolean {
    for (let length = Math.min(text.length, this.longest); length > 0; length--) if (meets(length)) return true;
    return false;
  }
}

const searches = new WeakMap<readonly string[], TokenTexts>();

/** The search for `texts`, built once for each list. */
export function tokenTexts(texts: readonly string[]): TokenTexts {
  const known = searches.get(texts) ?? new TokenTexts(texts);
  searches.set(texts, known);
  return known;
}

function grouped(texts: Iterable<string>, key: (text: string) => string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const text of texts) {
    const group = groups.get(key(text));
    if (group === undefined) groups.set(key(text), [text]);
    else group.push(text);
  }
  return groups;
}

/** Removes the white space that special segments absorb from `segments`. */
export function strip(segments: readonly Segment[], strips: ReadonlyMap<string, Strip>): readonly Segment[] {
  if (strips.size === 0) return segments;
  return segments.map((segment, i) => {
    if (segment.special) return segment;
    const before = strips.get(special(segments[i - 1]))?.right
      ? segment.text.replace(/^\p{White_Space}+/u, "")
      : segment.text;
    const text = strips.get(special(segments[i + 1]))?.left ? before.replace(/\p{White_Space}+$/u, "") : before;
    return { text, special: false };
  });
}

const special = (segment: Segment | undefined): string => (segment?.special ? segment.text : "");
