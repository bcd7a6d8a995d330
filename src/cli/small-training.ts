import type { Command } from "commander";
import { methodNamed } from "../train/methods/registry.ts";
import { UserError } from "../util/errors.ts";
import { readValues } from "../util/values-file.ts";
import { examples } from "./help.ts";
import { interruptSignal, sayHowToGoOn } from "./interrupt.ts";
import { print, printJson } from "./output.ts";
import { displayOn } from "./progress-display.ts";
import { howToGoOn } from "./train-progress.ts";

/** Training methods that are configured by a file alone. */
const trainings = {
  pairs: async (...call) => (await library()).trainImageText(...call),
  localiser: async (...call) => (await library()).trainRegionLocaliser(...call),
  bridge: async ({ model, ...options }, call) =>
    (await library()).trainRegionBridge({ ...options, model: model as string }, call),
} satisfies Record<string, Training>;

type Training = (
  options: Readonly<Record<string, unknown>>,
  call: { readonly out: string; readonly onStep: (step: number, loss: number) => void; readonly signal: AbortSignal },
) => Promise<object>;

const library = () => import("../library/train-regions.ts");

interface Flags {
  readonly out: string;
  readonly json?: boolean;
}

/** The verb for one of these methods, by name. */
export const verbOf = (name: keyof typeof trainings) => ({ define: (command: Command) => define(command, name) });

function define(command: Command, name: keyof typeof trainings): void {
  const { summary, next } = methodNamed(name);
  command
    .description(summary)
    .argument("<config>", "a YAML or JSON file of options")
    .requiredOption("--out <folder>", "the folder to write")
    .option("--json", "print one JSON object")
    .action(async (config: string, { out, json }: Flags) => {
      const signal = interruptSignal();
      const options = await readValues(config, "the options");
      if (typeof options !== "object" || options === null || Array.isArray(options))
        throw new UserError(`${config}: expected options by name`);
      const result = await trainings[name]({ ...options }, { out, signal, onStep: shower() }).catch(
        sayHowToGoOn(signal, () => howToGoOn(out)),
      );
      if (json) printJson(result);
      else print(next!(out, options));
    });
  examples(command, `modicum train ${command.name()} ${command.name()}.yaml --out ${command.name()}`);
}

/** Prints the mean loss of every hundred steps on stderr. */
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
