/** Properties of a JSON text that JSON.parse does not report. */
export interface Shape {
  /** Nesting depth of brackets; counted up to just beyond the limit. */
  readonly depth: number;
  /**
   * The number of values in lists and objects, with one more for an empty list or object; counted up to just beyond the
   * limit.
   */
  readonly values: number;
  /** The first key that an object repeats. */
  readonly twice: string | undefined;
}

/** Scans a text that may be JSON. */
export function shapeOf(text: string, most: Pick<Shape, "depth" | "values">): Shape {
  const open: Set<string>[] = [];
  let [depth, values, twice] = [0, 0, undefined as string | undefined];
  for (let i = 0; i < text.length && depth <= most.depth && values <= most.values; i++) {
    const c = text[i];
    if (c === "{" || c === "[" || c === ",") values++;
    if (c === "{" || c === "[") depth = Math.max(depth, open.push(new Set()));
    else if (c === "}" || c === "]") open.pop();
    else if (c === '"') {
      const end = closing(text, i);
      if (isKey(text, end)) twice ??= again(open.at(-1), text.slice(i, end + 1));
      i = end;
    }
  }
  return { depth, values, twice };
}

/** The end of the string that begins at `start`. */
function closing(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end > 0; end = text.indexOf('"', end + 1))
    if (backslashes(text, end) % 2 === 0) return end;
  return text.length;
}

function backslashes(text: string, end: number): number {
  let start = end;
  while (text[start - 1] === "\\") start--;
  return end - start;
}

function isKey(text: string, end: number): boolean {
  const colon = /\s*:/y;
  colon.lastIndex = end + 1;
  return colon.test(text);
}

/** The key if it is already among `keys`; otherwise adds it and returns undefined. */
function again(keys: Set<string> | undefined, quoted: string): string | undefined {
  const key = unquoted(quoted);
  if (keys?.has(key)) return key;
  keys?.add(key);
  return undefined;
}

/** Decodes a key, which may have escapes. */
function unquoted(quoted: string): string {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted;
  }
}
