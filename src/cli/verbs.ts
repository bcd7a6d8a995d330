import type { Command } from "commander";

/** The words of a call. If `includes` is true for every word, all verbs get their options. */
export type Words = Pick<readonly string[], "includes">;

/** A subcommand, such as `run` of `lab run`. */
export interface Verb {
  readonly summary: string;
  /** Loads the definition of the verb's options, only when the verb is called. */
  readonly load: () => Promise<{ define(command: Command): void | Promise<void> }>;
}

/** Defines a command's subcommands, and the options of the one that `words` names. */
export async function defineVerbs(
  command: Command,
  verbs: Readonly<Record<string, Verb>>,
  words: Words,
): Promise<void> {
  for (const [name, { summary, load }] of Object.entries(verbs)) {
    const verb = command.command(name).summary(summary).description(summary);
    if (words.includes(name)) await (await load()).define(verb);
  }
}
