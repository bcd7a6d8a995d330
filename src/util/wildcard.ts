/** A regular expression source that matches exactly this text. */
export const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

/** Matches whole texts; `*` in a pattern stands for any characters. */
export const wildcard = (pattern: string): RegExp => new RegExp(`^${pattern.split("*").map(literal).join(".*")}$`);
