import { Argument, type Command } from "commander";
import { taskNames } from "../../lab/tasks/registry.ts";
import { pipelines } from "../../pipelines/registry.ts";
import { savings } from "../../savings/registry.ts";
import { methods } from "../../train/methods/registry.ts";
import { completionScript, type Shell, shells } from "../completion.ts";
import { examples } from "../help.ts";
import { print } from "../output.ts";
import { topicNames } from "../topics.ts";

const namesOf = (all: readonly { readonly name: string }[]): string[] => all.map(({ name }) => name);

/** Defines the verb `completion`, which describes the whole program. */
export function define(command: Command, whole: () => Promise<Command>): void {
  command.addArgument(new Argument("<shell>", "the shell").choices(shells)).action(async (shell: Shell) => {
    const program = await whole();
    const names = {
      ...{ saving: namesOf(savings), pipeline: namesOf(pipelines), method: namesOf(methods), task: taskNames },
      ...{ verb: program.commands.map((c) => c.name()), topic: ["topics", ...topicNames] },
    };
    print(completionScript(shell, program, names));
  });
  examples(
    command,
    "modicum completion bash > ~/.local/share/bash-completion/completions/modicum",
    "modicum completion zsh > ~/.zfunc/_modicum",
    "modicum completion fish > ~/.config/fish/completions/modicum.fish",
  );
}
