import { Command, CommanderError } from "commander";
import { report } from "./errors.ts";
import { version } from "./package.ts";

interface Verb {
  summary: string;
  /** A verb's options are defined only when it is called: loading them all would cost more than an answer's first token. */
  load: () => Promise<{ define(command: Command): void }>;
}

const verbs: Readonly<Record<string, Verb>> = {
  run: { summary: "answer a prompt", load: () => import("./commands/run.ts") },
};

function build(): Command {
  const program = new Command("modicum")
    .description("Runs language models with only the compute that each input needs; every answer has a receipt.")
    .version(version())
    .exitOverride()
    .showHelpAfterError();
  for (const [name, { summary }] of Object.entries(verbs)) program.command(name).description(summary);
  return program;
}

async function main(words: readonly string[]): Promise<void> {
  const program = build();
  const name = words[0] === "help" ? words[1] : words[0];
  const command = program.commands.find((c) => c.name() === name);
  if (command) (await verbs[command.name()]!.load()).define(command);
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    // Commander has printed what was wrong with the words, or the help that was asked for.
    process.exitCode = error instanceof CommanderError ? Math.min(error.exitCode, 1) * 2 : report(error, command);
  }
}

// A reader that has seen enough, such as `head`, closes the pipe.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
await main(process.argv.slice(2));
