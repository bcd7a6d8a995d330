import type { Command } from "commander";
import type { GuardInput } from "../../index.ts";
import type { GuardTrained } from "../../library/train-guard.ts";
import { guardOptions } from "../../train/methods/guard/options.ts";
import { UserError } from "../../util/errors.ts";
import { readValues } from "../../util/values-file.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { columns, print, printJson } from "../output.ts";
import { displayOn } from "../progress-display.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  out?: string;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .description("learn which tensors of an image generator to freeze against misuse")
    .argument("[config]", "a YAML or JSON file of options; flags override it")
    .option("--out <file>", "the mask's file, for train --freeze-mask")
    .option("--json", "print one JSON object with the frozen shares");
  addFlags(command, guardOptions).action(guard);
  examples(command, "modicum train guard guard.yaml --out guard.mask");
}

async function guard(config: string | undefined, { out, json, ...flags }: Flags): Promise<void> {
  if (out === undefined) throw new UserError("--out: expected a file for the mask", 2);
  const values = config === undefined ? {} : await readValues(config, "the guard");
  const options: GuardInput = readFlags(guardOptions, { ...(values as object), ...defined(flags) });
  using display = displayOn(process.stderr);
  const started = performance.now();
  const { trainGuard } = await import("../../library/train-guard.ts");
  const signal = interruptSignal();
  const result = await trainGuard(options, {
    out,
    signal,
    onStep: ({ step, steps, ratio }) => {
      const seconds = (((performance.now() - started) / step) * (steps - step)) / 1000;
      display.show({ title: "share frozen", done: step, of: steps, value: ratio, seconds });
    },
  }).catch(sayHowToGoOn(signal, () => "the same command continues"));
  display[Symbol.dispose]();
  if (json) printJson(result);
  else tell(result);
}

const defined = (flags: object): object =>
  Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function tell({ out, frozen, receipt }: GuardTrained): void {
  print(
    ...columns([
      ["frozen", `${percent(frozen.tensors)} of the tensors, ${percent(frozen.parameters)} of the parameters`],
      ["FLOPs", receipt.flops.spent.toExponential(3)],
    ]),
    `modicum train --model MODEL --freeze-mask ${out} --data FILE --out FOLDER trains with it`,
  );
}
