export type JsonObject = Readonly<Record<string, unknown>>;

/** The maximum depth: configurations nest about four levels deep, and each level costs the parser memory. */
const MAX_DEPTH = 64;

/** Numbers that Python writes but JSON lacks: infinity becomes a number too large for a double, NaN becomes null. */
const STRING_OR_CONSTANT = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;
const constants: Readonly<Record<string, string>> = { Infinity: "1e999", "-Infinity": "-1e999", NaN: "null" };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Decodes UTF-8 bytes; undefined if they are not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Parses UTF-8 `bytes` like Python's JSON; undefined if invalid or nested too deeply. */
export function parseJson(bytes: Uint8Array): unknown {
  const text = utf8(bytes);
  if (text === undefined || isDeep(bytes)) return undefined;
  return jsonIn(text) ?? jsonIn(text.replace(STRING_OR_CONSTANT, (constant) => constants[constant] ?? constant));
}

/** Parses a JSON text; undefined if the text is not JSON. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN, CLOSE] = [new Set([0x5b, 0x7b]), new Set([0x5d, 0x7d])];

/** True if brackets are nested too deeply; brackets in strings do not count. */
function isDeep(bytes: Uint8Array): boolean {
  let [open, quoted] = [0, false];
  for (let i = 0; i < bytes.length && open <= MAX_DEPTH; i++) {
    const byte = bytes[i]!;
    if (quoted && byte === BACKSLASH) i++;
    else if (byte === QUOTE) quoted = !quoted;
    else if (!quoted && OPEN.has(byte)) open++;
    else if (!quoted && CLOSE.has(byte)) open--;
  }
  return open > MAX_DEPTH;
}
