import { existsSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { checkSavings } from "../../engine/file/check-savings.ts";
import { auditState, switchOn, unaudited } from "../../savings/auto/audit-state.ts";
import { AUTO } from "../../savings/auto/auto.ts";
import { type Certificate, readCertificate, switchCertificate, switchFile } from "../../savings/auto/certificate.ts";
import { parseRecipe } from "../../savings/recipe.ts";
import {
  chosenRecipe,
  listedSteps,
  type RegisteredRecipe,
  recipeName,
  registeredAs,
  registeredRecipes,
  registeredText,
  registerRecipe,
  shortName,
  unregisterRecipe,
} from "../../savings/registered.ts";
import { savings } from "../../savings/registry.ts";
import { KeptFault, UserError } from "../../util/errors.ts";
import { checkedNamed } from "../../util/named-options.ts";
import { decimals } from "../../util/printable.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { formHere } from "../../weights/prepared/tuning.ts";
import { localModel } from "../../weights/sources/index.ts";
import { collect } from "../flags.ts";
import { ADAPTER, examples, MODEL, SAVING } from "../help.ts";
import { columns, print, printJson } from "../output.ts";

export function define(command: Command): void {
  command.option("--json", "print a JSON array").action(list);
  examples(command, "modicum recipes", "modicum recipes add fast --model smollm2 --save lookup");
  const adding = command
    .command("add")
    .description("register a recipe for a model, used as MODEL@NAME")
    .argument("<name>", "the recipe's name")
    .requiredOption("--model <model>", MODEL)
    .option("--save <saving>", `${SAVING} (default: dense)`, collect)
    .option("--adapter <folder>", ADAPTER);
  examples(adding, "modicum recipes add fast --model smollm2 --save lookup").action(add);
  const named = (name: string, summary: string) =>
    examples(
      command.command(name).description(summary).argument("<name>", NAMED),
      `modicum recipes ${name} smollm2@fast`,
    );
  named("on", "let a certificate choose recipes again").action((name: string) => turn(name, true));
  named("off", "answer a certificate's requests with dense").action((name: string) => turn(name, false));
  named("rm", "remove a recipe").action(remove);
}

/** The help for the name argument of `on`, `off` and `rm`. */
const NAMED = "MODEL@NAME, as listed, or only NAME";

async function list({ json = false }: { json?: boolean }): Promise<void> {
  const recipes = Object.entries(await registeredRecipes());
  if (json)
    return printJson(recipes.map(([name, entry]) => ({ name, ...entry, certificate: certifiedOf(entry)?.state })));
  if (recipes.length === 0)
    return print(
      "no recipes are registered; `modicum lab pick` registers one from a run, `modicum recipes add` any other",
    );
  const rows = await Promise.all(recipes.map(row));
  print(...columns([["NAME", "RECIPE", "SAVED", "MEASURED", "TASK", "AUDIT"], ...rows]));
}

async function row([name, entry]: [string, RegisteredRecipe]): Promise<string[]> {
  const { adapter, evidence } = entry;
  const gone = adapter && !existsSync(adapter.folder) ? ` (there is no folder ${adapter.folder})` : "";
  const beside = adapter ? [`adapter ${path.basename(adapter.folder)}${gone}`] : [];
  const shown = [name, [listedSteps(entry).join(" ") || "dense", ...beside, ...(await idleIn(entry))].join(", ")];
  const certified = certifiedOf(entry);
  if (certified) return [...shown, ...certified.cells];
  if (!evidence) return [...shown, "not measured", "", "", ""];
  const { flops_saved, metric, quality, delta, task } = evidence;
  const change = decimals(delta, 4).replace(/^(?!-)/, "+");
  return [...shown, savedText(flops_saved, "flops"), `${metric} ${quality.toFixed(4)} (${change})`, task, ""];
}

/** A notice for each saving in a recipe that has no effect in the weight form that its model uses here. */
async function idleIn({ model, recipe }: RegisteredRecipe): Promise<string[]> {
  const idle = savings.flatMap(({ name, idle: of }) =>
    of && recipe.some((text) => text.split(":")[0] === name) ? [of] : [],
  );
  const source = idle.length > 0 ? await localModel(model) : undefined;
  if (!source) return [];
  try {
    const form = formHere(source, openCheckpoint(source.path), "auto");
    return idle.flatMap((of) => of(form) ?? []);
  } catch (error) {
    // A damaged model does not prevent listing the others.
    if (error instanceof UserError) return [];
    throw error;
  }
}

const units = { ms: "ms", flops: "FLOPs", bytes: "bytes" } as const;

const savedText = (share: number, by: keyof typeof units): string => `${decimals(100 * share, 1)} % ${units[by]}`;

/** The name of a registered recipe's certificate; undefined if it has none. */
const certificateIn = ({ recipe: [first = ""] }: RegisteredRecipe): string | undefined =>
  first.startsWith(`${AUTO}:`) ? first.slice(AUTO.length + 1) : undefined;

/** A certified recipe's cells in the list, and its JSON; undefined if the recipe has no certificate. */
function certifiedOf(entry: RegisteredRecipe): { readonly cells: string[]; readonly state: object } | undefined {
  const name = certificateIn(entry);
  if (name === undefined) return undefined;
  try {
    return certifiedBy(name, readCertificate(name));
  } catch (error) {
    // A changed or deleted certificate must not hide the list.
    if (!(error instanceof UserError || error instanceof KeptFault)) throw error;
    return { cells: ["", "", "", error.message], state: { name, fault: error.message } };
  }
}

function certifiedBy(name: string, certificate: Certificate) {
  const { cost, loss, mean, risk, confidence, task } = certificate;
  const { dense, chosen } = cost[cost.by];
  const saved = 1 - chosen / dense;
  const on = !existsSync(switchFile(name));
  const reason = unaudited(certificate);
  const audited = auditState(name).count;
  const audit = reason === undefined ? `${audited} audited` : `not auditable (${reason})`;
  return {
    cells: [
      savedText(saved, cost.by),
      `${loss} ${mean.toFixed(4)} (at most ${risk})`,
      task.name,
      `${on ? "on" : "off"}, ${audit}`,
    ],
    state: {
      ...{ name, by: cost.by, saved, loss, mean, risk, confidence, on },
      ...(reason === undefined ? { audited } : { not_auditable: reason }),
    },
  };
}

interface Addition {
  readonly model: string;
  readonly save?: readonly string[];
  readonly adapter?: string;
}

async function add(name: string, { model, save = [], adapter }: Addition): Promise<void> {
  const full = `${shortName(model)}@${checkedNamed("name", recipeName, name)}`;
  const here = await localModel(model);
  const written = parseRecipe(save);
  // A model that is not downloaded yet is checked when it is loaded.
  const steps = here ? await checkSavings(here, written) : written;
  // The absolute path works from any folder.
  const earlier = await registerRecipe(full, chosenRecipe(here?.source === "file" ? here.path : model, steps, adapter));
  process.stderr.write(`registered as ${registeredText(full, earlier)}: \`modicum run --model ${full} …\` uses it\n`);
}

async function turn(name: string, on: boolean): Promise<void> {
  const certificate = await certificateNamed(name);
  await (on ? switchOn(certificate) : switchCertificate(certificate, false));
  print(`${AUTO}:${certificate} is ${on ? "on" : "off: its requests run dense"}`);
}

/** The certificate `name`, or the one for the recipe `MODEL@NAME`. @throws UserError if it is missing */
async function certificateNamed(name: string): Promise<string> {
  const entry = await registeredAs(name);
  if (!entry) return name;
  const certificate = certificateIn(entry);
  if (certificate !== undefined) return certificate;
  throw new UserError(`${name} has no certificate, so it cannot be switched; \`recipes rm ${name}\` removes it`, 2);
}

async function remove(name: string): Promise<void> {
  const full = await fullName(name);
  const certificate = await registeredAs(full).then((entry) => entry && certificateIn(entry));
  await unregisterRecipe(full);
  print(`removed ${full}${certificate === undefined ? "" : `; its certificate stays, as ${AUTO}:${certificate}`}`);
}

/** Completes NAME to `MODEL@NAME`, if one model has a recipe of this name. @throws UserError if several have */
async function fullName(name: string): Promise<string> {
  const all = Object.keys(await registeredRecipes());
  const [one = name, ...others] = all.includes(name) ? [name] : all.filter((each) => each.endsWith(`@${name}`));
  if (others.length === 0) return one;
  throw new UserError(`"${name}" is a recipe of several models; expected one of ${[one, ...others].join(", ")}`, 2);
}
