/**
 * Makes a text safe for a terminal: control characters (which could colour it, move its cursor or fake a line) and
 * characters that change the text's direction become JSON escapes.
 */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Formats a number with `digits` decimals; a number that rounds to zero has no sign. */
export const decimals = (value: number, digits: number): string => value.toFixed(digits).replace(/^-(?=[0.]+$)/, "");
