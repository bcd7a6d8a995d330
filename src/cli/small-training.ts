import type { Command } from "commander";
import { UserError } from "../util/errors.ts";
import { readValues } from "../util/values-file.ts";
import { interruptSignal, sayHowToGoOn } from "./interrupt.ts";
import { print, printJson } from "./output.ts";
import { displayOn } from "./progress-display.ts";
import { howToGoOn } from "./train-progress.ts";

/** A training whose options are a file's, by a model that is small enough for one program. */
export interface SmallTraining {
  readonly description: string;
  run(
    options: Readonly<Record<string, unknown>>,
    call: { readonly out: string; readonly onStep: (step: number, loss: number) => void; readonly signal: AbortSignal },
  ): Promise<object>;
  /** A sentence on the result. */
  tell(result: object, out: string): string;
}

interface Flags {
  readonly out: string;
  readonly json?: boolean;
}

/** Defines the verb of such a training. */
export function defineTraining(command: Command, { description, run, tell }: SmallTraining): void {
  command
    .description(description)
    .argument("<config>", "a YAML or JSON file with the options")
    .requiredOption("--out <folder>", "the folder that is written")
    .option("--json", "print one JSON object")
    .action(async (config: string, { out, json }: Flags) => {
      const signal = interruptSignal();
      const options = await readValues(config, "the options");
      if (typeof options !== "object" || options === null || Array.isArray(options))
        throw new UserError(`${config}: expected options by name`);
      const result = await run({ ...options }, { out, signal, onStep: shower() }).catch(
        sayHowToGoOn(signal, () => howToGoOn(out)),
      );
      if (json) printJson(result);
      else print(tell(result, out));
    });
}

/** Says the mean loss of every hundred steps on stderr. */
function shower(): (step: number, loss: number) => void {
  const display = displayOn(process.stderr);
  let sum = 0;
  return (step, loss) => {
    sum += loss;
    if (step % 100 !== 0) return;
    display.say(`step ${step}: loss ${(sum / 100).toFixed(4)}`);
    sum = 0;
  };
}
