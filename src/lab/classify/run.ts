import path from "node:path";
import { z } from "zod";
import { openClassifier } from "../../library/classify-pipeline.ts";
import type { LabelsInput } from "../../pipelines/qzero/labels.ts";
import type { QZeroInput } from "../../pipelines/qzero/options.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeWhole } from "../../util/write-whole.ts";
import type { IndexedRun } from "../indexed-run.ts";
import type { LabelItem } from "../item.ts";
import { stringify } from "../reals.ts";
import { machine, versions } from "../run/machine.ts";
import type { Task, TaskOf } from "../task.ts";
import { type Arm, type ArmRun, atOtherPlaces, runArm } from "./arms.ts";
import { type ArmReport, reportOf } from "./report.ts";

export const classifyRunOptions = z.object({
  limit: z.int().min(2).default(200).describe("texts"),
  seed: z.int().min(0).default(0).describe("seed for item selection, the shuffled control and intervals"),
});

/** A classifier that looks up texts in an index, and the labelling task to run it on. */
export interface ClassifyRun extends IndexedRun {
  readonly qzero: QZeroInput;
  /** The words that stand for each label, if not the label itself. */
  readonly words: Readonly<Record<string, readonly string[]>>;
  readonly options: z.output<typeof classifyRunOptions>;
}

interface ClassifyReport {
  readonly task: string;
  readonly model: string;
  readonly index: string;
  readonly items: number;
  readonly arms: readonly ArmReport[];
}

/**
 * Classifies every text without lookup, with lookup, with other texts' documents as a control and, unless `when` is
 * `always`, with lookup only below a margin. Writes `results.jsonl`, one item per line, and `report.json`.
 * @throws UserError
 */
export async function runClassify(run: ClassifyRun): Promise<ClassifyReport> {
  const { model, index, store, qzero, signal } = run;
  const items = await itemsOf(run);
  const labels = labelsOf(items[0]!.labels, run.words);
  await using classifier = await openClassifier(model, { ...run.resolve, index, store, qzero });
  const arm = (each: Arm) =>
    runArm(classifier, items, each, {
      ...{ labels, signal },
      onItems: (done) => run.notice(`${each.name}: ${done} of ${items.length}`),
    });
  const runs = await allArms(arm, run);
  const report = reportOf(runs, items, run.options.seed);
  const summary = { task: run.task.name, model: classifier.name, index, items: items.length, arms: report };
  await keep(run, summary, items, runs);
  return summary;
}

async function allArms(arm: (each: Arm) => Promise<ArmRun>, { qzero, options }: ClassifyRun): Promise<ArmRun[]> {
  const plain = await arm({ name: "plain", qzero: { ...qzero, when: "margin", margin: 0 } });
  const always = await arm({ name: "always", qzero: { ...qzero, when: "always" } });
  const margin = qzero.when === "always" ? [] : [await arm({ name: "margin", qzero: { ...qzero, when: "margin" } })];
  const documents = always.results.map(({ explanation }) => explanation!.documents);
  const evidence = atOtherPlaces(documents, options.seed);
  const shuffled = await arm({ name: "shuffled", qzero: { ...qzero, when: "always" }, evidence });
  return [plain, always, ...margin, shuffled];
}

const isLabelled = (task: Task): task is TaskOf<"label"> => task.kind === "label";

async function itemsOf({ task, options, signal, notice }: ClassifyRun): Promise<LabelItem[]> {
  if (!isLabelled(task)) throw new UserError(`${task.name} has no labels; expected a task such as tagmynews:FILE`, 2);
  const { seed, limit } = options;
  const items: LabelItem[] = [];
  const wanted = { seed, limit, countTokens: () => 0, signal, onNotice: notice };
  for await (const item of task.items(wanted)) {
    items.push(item);
    if (items.length === limit) break;
  }
  if (items.length < 2) throw new UserError(`${task.name} has ${items.length} texts, expected two or more`);
  return items;
}

/** @throws UserError for words of an unknown label */
function labelsOf(names: readonly string[], words: ClassifyRun["words"]): LabelsInput {
  const strange = Object.keys(words).find((name) => !names.includes(name));
  if (strange !== undefined)
    throw new UserError(`--label-words: the task has no label "${strange}", expected one of ${names.join(", ")}`, 2);
  return Object.fromEntries(names.map((name) => [name, words[name] ?? name]));
}

async function keep(
  { out, command, version, options }: ClassifyRun,
  summary: ClassifyReport,
  items: readonly LabelItem[],
  runs: readonly ArmRun[],
): Promise<void> {
  makeFolders(out);
  const provenance = { command, version, machine: machine(), versions: versions(), ...options };
  const rows = items.map(({ id, labels, gold }, i) => ({
    ...{ id, gold: labels[gold] },
    ...Object.fromEntries(runs.map(({ arm, results }) => [arm, results[i]!.label])),
  }));
  await writeWhole(path.join(out, "results.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await writeWhole(path.join(out, "report.json"), `${stringify({ ...summary, made: provenance })}\n`);
}
