import type { Command } from "commander";
import { MODELS_PACKAGE, modelFolder } from "../../util/model-folders.ts";
import { aliases, bytesOf, type ListedModel, listModels, resolveModel, shipped } from "../../weights/sources/index.ts";
import { examples } from "../help.ts";
import { columns, megabytes, print, printJson } from "../output.ts";

interface Options {
  all?: boolean;
  json?: boolean;
}

interface ModelEntry {
  name: string;
  downloaded: boolean;
  /** Absent for a model whose package is not installed. */
  bytes?: number;
  summary?: string;
  licence?: string;
  source?: string;
  path?: string;
  /** The reason why the model cannot be used. */
  fault?: string;
}

export function define(command: Command): void {
  command
    .option("--all", "list every model with an alias, downloaded or not")
    .option("--json", "print a JSON array")
    .action(list);
  examples(command, "modicum list", "modicum list --all");
}

async function list({ all = false, json = false }: Options): Promise<void> {
  const downloaded = (await listModels()).map(fromDisk);
  const known = all ? Object.keys(aliases).filter((name) => !downloaded.some((m) => m.name === name)) : [];
  const models = [
    ...downloaded,
    ...known.map(fromAlias),
    ...(all ? await Promise.all(Object.keys(shipped).map(fromPackage)) : []),
  ];
  if (json) return printJson(models);
  if (models.length === 0) return print("no models downloaded yet; `modicum list --all` lists those with an alias");
  print(...columns([["NAME", "SIZE", "HERE", "WHAT"], ...models.map(row)]));
}

const aliasDetails = (name: string) => {
  const { summary, licence } = aliases[name] ?? {};
  return { ...(summary !== undefined && { summary }), ...(licence !== undefined && { licence }) };
};

const fromDisk = ({ name, bytes, source, path, fault }: ListedModel): ModelEntry => ({
  ...{ name, downloaded: fault === undefined, bytes, source, path },
  ...(fault !== undefined && { fault }),
  ...aliasDetails(name),
});

const fromAlias = (name: string): ModelEntry => ({
  ...{ name, downloaded: false, bytes: bytesOf(aliases[name]!) },
  ...aliasDetails(name),
});

const fromPackage = async (name: string): Promise<ModelEntry> => {
  if (modelFolder(name) === undefined)
    return { ...{ name, downloaded: false, source: MODELS_PACKAGE }, ...shipped[name]! };
  const { bytes, source, path } = await resolveModel(name);
  return { ...{ name, downloaded: true, bytes, source, path }, ...shipped[name]! };
};

const row = ({ name, bytes, downloaded, fault, ...model }: ModelEntry): string[] => [
  name,
  bytes === undefined ? "" : megabytes(bytes),
  fault === undefined ? (downloaded ? "yes" : "no") : "broken",
  fault ?? what(model),
];

const what = ({ summary, licence, source }: Pick<ModelEntry, "summary" | "licence" | "source">): string =>
  summary === undefined
    ? (source ?? "")
    : `${summary} (${licence}${source === MODELS_PACKAGE ? `, in the package ${source}` : ""})`;
