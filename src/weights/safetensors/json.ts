export type JsonObject = Readonly<Record<string, unknown>>;

/** Configurations nest four deep or so; a parser's memory grows with every level. */
const MAX_DEPTH = 64;

/** Python writes numbers that JSON does not have: an infinite one is read as one too large, and NaN as no value. */
const STRING_OR_CONSTANT = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;
const constants: Readonly<Record<string, string>> = { Infinity: "1e999", "-Infinity": "-1e999", NaN: "null" };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Text of bytes; undefined when they are not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The object that UTF-8 `bytes` are, as Python reads JSON; undefined when they are not UTF-8, not JSON, another kind of value, or nested without end. */
export function parseObject(bytes: Uint8Array): JsonObject | undefined {
  const text = utf8(bytes);
  if (text === undefined || depth(bytes) > MAX_DEPTH) return undefined;
  try {
    const value: unknown = JSON.parse(text.replace(STRING_OR_CONSTANT, (found) => constants[found] ?? found));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** How deep brackets nest at most, those in strings among them. */
function depth(bytes: Uint8Array): number {
  let [open, most] = [0, 0];
  for (const byte of bytes) {
    if (byte === 0x5b || byte === 0x7b) most = Math.max(most, ++open);
    else if (byte === 0x5d || byte === 0x7d) open--;
  }
  return most;
}
