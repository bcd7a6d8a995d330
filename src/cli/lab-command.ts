/**
 * The command that reproduces a run's results, for its summary and report. It leaves out flags about an existing
 * folder, and the queue, which does not change results and whose address may hold a password.
 */
export function commandOf(words: readonly string[]): string {
  const making = words.filter((word, i) => !passing.test(word) && words[i - 1] !== "--queue");
  return ["modicum", ...making].map(quoted).join(" ");
}

const passing = /^(--resume|--force|--queue(=.*)?)$/;

/** A word quoted for a shell. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
