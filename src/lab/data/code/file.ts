/** The corpus's languages, with their file extensions. */
export const languages = ["typescript", "python"] as const;
export type Language = (typeof languages)[number];

/** Splits in order of deduplication: test comes first, so that no other split contains its files. */
export const splits = ["test", "validation", "train"] as const;
export type Split = (typeof splits)[number];

const names: Readonly<Record<Language, RegExp>> = {
  typescript: /\.tsx?$/,
  python: /\.py$/,
};

/** Excluded paths: declarations, third-party code, compiled code and wheel metadata. */
const aside = /\.d\.ts$|(^|\/)(node_modules|_?vendor(ed)?|_?third_party|__pycache__|[^/]+\.(dist-info|data))\//;

/** True for the path of a source file of the language within its package. */
export const isSource = (language: Language, path: string): boolean => names[language].test(path) && !aside.test(path);

const [LEAST, MOST, LONGEST_LINE] = [200, 60_000, 300];
const generated = /@generated|auto-?generated|generated (by|from|automatically)|do not (edit|modify)/i;

/** True for code that people wrote: neither tiny nor huge, neither minified nor generated. */
export const isWritten = (text: string): boolean =>
  text.length >= LEAST &&
  text.length <= MOST &&
  !generated.test(text.slice(0, 1000)) &&
  text.split("\n").every((line) => line.length <= LONGEST_LINE);
