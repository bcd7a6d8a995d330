import { existsSync } from "node:fs";
import path from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { calibrateSaving, calibrationOf, learners, saveCalibration } from "../../library/profile.ts";
import type { Learnt } from "../../savings/calibration.ts";
import { readRecords } from "../../train/data/records.ts";
import { documentsOf } from "../../train/methods/exit-heads/corpus.ts";
import { textOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import { quantOptions } from "../../weights/prepared/weights.ts";
import { addFlags, readFlags } from "../flags.ts";
import { common, examples, MODEL } from "../help.ts";
import { interruptSignal } from "../interrupt.ts";
import { print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { formOption } from "../recipe.ts";

interface Options extends Readonly<Record<string, unknown>> {
  model: string;
  texts?: readonly string[];
  data?: string;
  tokens: number;
  out?: string;
  json?: boolean;
}

/** Defines a command for each saving with a calibration, with its own flags. */
export function define(command: Command): void {
  // Any flags are allowed here, so that a saving without calibration is reported first.
  command.allowUnknownOption().allowExcessArguments();
  command.argument("<saving>", learners.map(({ name }) => name).join(", ")).action((name: string) => {
    calibrationOf(name);
  });
  for (const { name } of learners) defineOne(command.command(name), name);
  examples(command, "modicum savings calibrate xattention --texts book.txt --out thresholds.json");
}

function defineOne(command: Command, name: string): void {
  const { summary, options } = calibrationOf(name);
  examples(command, `modicum savings calibrate ${name} --texts book.txt --out ${name}.json`);
  command
    .description(`learn ${summary}`)
    .addOption(common("--model <model>", MODEL).default("smollm2"))
    .addOption(common("--texts <files...>", "files of representative text; JSON lines have a document in each `text`"))
    .option("--data <file>", "JSON lines of { image, prompt } or { image, questions }, to calibrate on pictures")
    .option("--tokens <n>", "maximum number of tokens per text; time and memory grow with its square", whole, 4096)
    .option("--out <file>", "where to write the result (default: print it)")
    .option("--json", "with --out: print one JSON object, { out, save, summary }");
  addFlags(addFlags(command, options), quantOptions).action((_: Options, own: Command) =>
    // The parent command also has --json, and commander passes the flag to the parent.
    calibrate(name, own.optsWithGlobals<Options>()),
  );
}

function whole(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a whole number of at least 1");
}

async function calibrate(name: string, flags: Options): Promise<void> {
  const { tokens, out, json = false } = flags;
  const options = readFlags(calibrationOf(name).options, flags);
  if (out !== undefined && !existsSync(path.dirname(out)))
    throw new UserError(`cannot write ${out}: there is no folder ${path.dirname(out)}`);
  const texts = [...documentsOf(flags.texts ?? []), ...(await picturesIn(flags.data))];
  if (texts.length === 0) throw new UserError("expected --texts or --data, got neither", 2);
  const signal = interruptSignal();
  using download = showDownload(flags.model);
  const { load } = await import("../../library/load.ts");
  using model = await load(flags.model, { ...formOption(flags), signal, ...download });
  const learnt = await calibrateSaving(model, name, texts, { options, tokens, signal });
  if (out === undefined) return printJson(learnt.artefact);
  await saveCalibration(out, learnt);
  show(learnt, out, json);
}

function show({ summary, use }: Learnt, out: string, json: boolean): void {
  if (json) printJson({ out, save: use(out), summary });
  else print(`${out}: ${summary}`, `use it: --save ${use(out)}`);
}

/** A file's questions, each with its picture. @throws UserError */
async function picturesIn(file: string | undefined): Promise<{ image: string; prompt: string }[]> {
  if (file === undefined) return [];
  const records = readRecords(file, await textOf(file));
  return records.flatMap(({ where, record }) => {
    if (record.kind === "seen") return record.questions.map(({ prompt }) => ({ image: record.image, prompt }));
    throw new UserError(`${where}: expected { image, prompt, answer } or { image, questions }`);
  });
}
