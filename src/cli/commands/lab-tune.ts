import path from "node:path";
import type { Command } from "commander";
import { z } from "zod";
import { figure, percent } from "../../lab/report/format.ts";
import { tuneOptions } from "../../lab/tune/options.ts";
import { tuningPage } from "../../lab/tune/report.ts";
import { type Progress, runTuning, type TuneResult, type Watcher } from "../../lab/tune/run.ts";
import { minutesOf, type Setup, setUp } from "../../lab/tune/setup.ts";
import {
  auditText,
  costText,
  excludedLines,
  ladderText,
  planLines,
  pText,
  unsureText,
  verdictOf,
} from "../../lab/tune/words.ts";
import { load } from "../../library/load.ts";
import { textPipelineNamed } from "../../pipelines/registry.ts";
import { checkSeams, parseRecipe, type Recipe } from "../../savings/recipe.ts";
import { chosenRecipe, registerRecipe, shortName } from "../../savings/registered.ts";
import { textOf } from "../../util/data/bytes.ts";
import { UserError } from "../../util/errors.ts";
import { mean } from "../../util/mean.ts";
import { version } from "../../util/package-root.ts";
import { parsedJson } from "../../util/parsed-json.ts";
import { writeWhole } from "../../util/write-whole.ts";
import { addFlags, readFlags } from "../flags.ts";
import { ADAPTER, common, examples } from "../help.ts";
import { interruptSignal, sayHowToGoOn } from "../interrupt.ts";
import { commandOf } from "../lab-command.ts";
import { columns, print, printJson } from "../output.ts";
import { showDownload } from "../progress.ts";
import { displayOn } from "../progress-display.ts";
import { resolvedModel } from "./lab-run.ts";

interface Flags extends Readonly<Record<string, unknown>> {
  model: string;
  task: string;
  candidates?: string;
  adapter?: string;
  queue?: string;
  dryRun?: boolean;
  force?: boolean;
  json?: boolean;
}

export function define(command: Command): void {
  command
    .addOption(common("--model <model>", "MODEL, or a pair, A>B").default("smollm2"))
    .addOption(
      common(
        "--task <task>",
        'a task from `lab tasks` that generates text, or a FILE.jsonl of "prompt" or "messages", with "answer" and "group" if known',
      ).makeOptionMandatory(),
    )
    .option("--candidates <file>", "recipes to try instead of the default ones: one per line, or a JSON list")
    .option("--adapter <folder>", ADAPTER)
    .option(
      "--queue <url>",
      "redis://host:port: let `lab worker` processes compute the losses; this machine measures the times",
    )
    .addOption(common("--dry-run", "print the candidates, the minutes needed and what the items can certify"))
    .option("--force", "discard an earlier tuning of this name")
    .option("--json", "print one JSON object");
  addFlags(command, tuneOptions).action(run);
  examples(
    command,
    "modicum lab tune --task gsm8k --name fast --dry-run",
    "modicum lab tune --task prompts.jsonl --name fast --risk 0.05",
  );
}

async function run(flags: Flags): Promise<void> {
  const options = readFlags(tuneOptions, flags);
  const candidates = flags.candidates === undefined ? undefined : await recipesIn(flags.candidates);
  const signal = interruptSignal();
  const { adapter, force = false, queue, task } = flags;
  using opened = await openTuned(flags, signal);
  const { model, pair } = opened;
  const request = { ...{ model, pair, task, options, candidates, adapter, force, queue }, version: version() };
  const setup = await setUp(request, signal);
  if (flags.dryRun) return await showPlan(setup, flags, signal);
  using watcher = watch(setup);
  const result = await runTuning(setup, watcher, signal).catch(sayHowToGoOn(signal, () => howToGoOn(queue)));
  watcher[Symbol.dispose]();
  const report = path.join(result.folder, "report.html");
  await writeWhole(report, tuningPage(result));
  const registered = result.certificate && (await register(flags.model, result));
  if (flags.json) return printJson(resultOf(result, registered, report));
  print(...tableOf(result));
  process.stderr.write(`${verdictOf(result)}\n`);
  if (registered !== undefined)
    process.stderr.write(
      `registered as ${registered}: \`modicum run --model ${registered.includes(">") ? `"${registered}"` : registered}${drawing(result)} …\` uses it\n`,
    );
  process.stderr.write(`report: ${report}\n`);
  const audits = result.certificate && auditText(result.certificate);
  if (audits !== undefined) process.stderr.write(`${audits}\n`);
}

/**
 * The command that continues a tuning run. It leaves out the queue's address, which may hold a password and is not
 * needed.
 */
const howToGoOn = (queue: string | undefined): string =>
  `\`${commandOf(process.argv.slice(2))}\` continues it${queue === undefined ? "" : ", with or without the same --queue"}`;

/** The tuned model or pair. @throws UserError */
async function openTuned({ model: name, adapter, candidates, queue }: Flags, signal: AbortSignal) {
  const pair = pairNamed(name);
  const [flag] = Object.entries({ adapter, candidates, queue }).find(([, value]) => value !== undefined) ?? [];
  if (pair && flag)
    throw new UserError(`--${flag} needs a single model; a pair's thresholds are tuned here, without adapters`, 2);
  for (const each of pair ? [pair.swift, pair.super] : [name]) await resolvedModel(each, signal);
  using download = showDownload(name);
  const open = (each: string) => load(each, { signal, ...download, ...(adapter !== undefined && { adapter }) });
  const model = await open(pair?.super ?? name);
  const swift = pair && (await open(pair.swift));
  const dispose = () => {
    model.dispose();
    swift?.dispose();
  };
  return { model, pair: pair && { name: pair, swift: swift! }, [Symbol.dispose]: dispose };
}

/** The pair of this name; undefined for a single model's name. @throws UserError */
function pairNamed(model: string) {
  const named = textPipelineNamed(model);
  if (!named?.pipeline.certified) return undefined;
  const { name, optionText, roles } = named;
  return { name, optionText, swift: roles["swift"]!, super: roles["super"]! };
}

async function register(model: string, { setup, certificate }: TuneResult): Promise<string> {
  const { name } = setup.request.options;
  const pair = pairNamed(model);
  const short = pair ? `${shortName(pair.swift)}>${shortName(pair.super)}` : shortName(model);
  const registered = `${short}@${name}`;
  const { model: model_hash, form: quant } = certificate!;
  const recipe = chosenRecipe(pair?.name ?? model, parseRecipe([`auto:${name}`]), setup.request.adapter);
  await registerRecipe(registered, { ...recipe, model_hash, quant });
  return registered;
}

/** The flag that makes requests sample as the tuning did; empty if they need no flag. */
const drawing = ({ setup }: TuneResult): string => {
  const { temperature } = setup.request.options;
  return temperature === undefined ? "" : ` --temperature ${temperature}`;
};

const recipeList = z.array(z.union([z.string(), z.array(z.string())]));

/** Recipes from a file: a JSON list of texts, or one per line. @throws UserError */
async function recipesIn(file: string): Promise<Recipe[]> {
  const text = await textOf(file);
  const lines = text.trimStart().startsWith("[") ? listIn(file, text) : text.split("\n");
  const recipes = lines.map((line) => parseRecipe(line.split(/\s+/).filter(Boolean)));
  for (const recipe of recipes) checkSeams(recipe);
  return recipes.filter(({ length }) => length > 0);
}

function listIn(file: string, text: string): string[] {
  const result = recipeList.safeParse(parsedJson(text));
  if (!result.success) throw new UserError(`--candidates: ${file}: expected a list of recipes, each a text`, 2);
  return result.data.map((recipe) => (typeof recipe === "string" ? recipe : recipe.join(" ")));
}

/** Minimum milliseconds between two updates. */
const EVERY = 500;

function watch(setup: Setup, stream = process.stderr): Watcher & Disposable {
  const display = displayOn(stream);
  for (const line of excludedLines(setup.excluded)) display.say(line);
  const seen = new Map<string, { answers: number; ms: number; shown: number }>();
  let timing = 0;
  return {
    notice: (sentence) => display.say(sentence),
    answered({ part, line, losses, of }: Progress) {
      const title = `${part}: ${line.recipe}`;
      const far = seen.get(title) ?? { answers: 0, ms: 0, shown: Number.NEGATIVE_INFINITY };
      seen.set(title, far);
      far.answers++;
      far.ms += line.ms;
      const now = performance.now();
      const done = losses.length;
      if (now - far.shown < EVERY && done < of) return;
      far.shown = now;
      const seconds = (far.ms / far.answers / 1000) * (of - done);
      display.show({ title, done, of, value: mean(losses), seconds });
    },
    timed(done, of) {
      if (done === 1) timing = performance.now();
      // The first answer's time is unknown, so it is left out of the mean.
      const each = (performance.now() - timing) / Math.max(1, done - 1);
      if (done > 1) display.show({ title: "timing against dense", done, of, seconds: (each / 1000) * (of - done) });
    },
    [Symbol.dispose]: () => display[Symbol.dispose](),
  };
}

async function showPlan(setup: Setup, { json }: Flags, signal: AbortSignal): Promise<void> {
  const minutes = await minutesOf(setup, signal);
  const { excluded, outlook, loss, attempt } = setup;
  const candidates = setup.candidates.map(({ recipe }) => recipe);
  if (!json) return print(...candidates, ...planLines(setup, minutes));
  const earlier = setup.earlier.map(({ name, created }) => ({ name, created }));
  printJson({ loss, attempt, earlier, candidates, excluded, minutes, outlook });
}

function tableOf({ outcome, rated, setup }: TuneResult): string[] {
  const rows = outcome.order.map(({ ladder, loss, price }, i) => {
    const verdict = outcome.verdicts[i];
    const result = verdict === undefined ? "not tested" : verdict.certified ? "certified" : "failed";
    const tested = verdict ? [figure(verdict.mean), pText(verdict, setup)] : ["", ""];
    return [percent(price / outcome.dense), figure(loss), ...tested, result, ladderText(ladder)];
  });
  const unsure = outcome.unsure.map(({ ladder, loss, price }) => [
    ...[percent(price / outcome.dense), figure(loss), "", "", unsureText(setup), ladderText(ladder)],
  ]);
  const dense = ["100.0 %", "0.000", "", "", "", `dense (${costText(rated[0]!.price, setup.request.options.cost)})`];
  return columns([["PRICE", "SEARCHED", "TESTED", "P", "RESULT", "LADDER"], dense, ...rows, ...unsure]);
}

const resultOf = (
  { certificate, near, outcome, setup, rated, dropped }: TuneResult,
  name: string | undefined,
  report: string,
) => ({
  name: name ?? null,
  certificate: certificate ?? null,
  nearest_miss: near ?? null,
  verdicts: outcome.verdicts,
  ...{
    order: outcome.order,
    unsure: outcome.unsure,
    rated,
    dropped,
    excluded: setup.excluded,
    attempt: setup.attempt,
    report,
  },
});
