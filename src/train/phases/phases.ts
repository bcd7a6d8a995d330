import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import { writeWhole } from "../../util/write-whole.ts";
import { isJsonLines, readText } from "../data/files.ts";
import type { TrainOptions } from "../options.ts";
import { readTrainedRun, summaryOf } from "../report/run.ts";
import { reportRuns, type TrainingReport } from "../report/write.ts";
import { isDone } from "../session/folder.ts";
import { runSession, type Session } from "../session/session.ts";
import type { Base } from "../subject/subject.ts";
import type { SweepEvents } from "../sweep/sweep-run.ts";
import { type Phase, phasesOf } from "./options.ts";

/** The runs of all phases, in order. */
export interface PhasesResult extends TrainingReport {
  readonly out: string;
  /** The folder of the last phase, with the model or the adapter. */
  readonly last: string;
  /** The number of samples of all phases together. */
  readonly samples: number;
}

export interface PhasesSession extends Pick<Session, "labTasks"> {
  readonly phases: unknown;
  readonly out: string;
}

/**
 * Trains phase by phase, each in a folder within `out`. A phase starts from the previous one's weights, with a new
 * optimiser and schedule. Finished phases are skipped; a stopped one resumes.
 * @throws UserError
 */
export async function runPhases(
  { phases, out, labTasks }: PhasesSession,
  openBase: (model: string) => Promise<Base>,
  events: SweepEvents,
  signal?: AbortSignal,
): Promise<PhasesResult> {
  const all = phasesOf(phases);
  const folders = all.map((_, i) => path.join(out, `phase-${i + 1}`));
  for (const [i, folder] of folders.entries()) {
    const options = await carried(all, i, folders);
    if (isDone(folder, options)) continue;
    events.onRun?.({ name: path.basename(folder), index: i + 1, of: all.length });
    const reuse = existsSync(folder) ? "resume" : "refuse";
    await runSession({ options, out: folder, reuse, labTasks }, openBase, events, signal);
  }
  const samples = folders.reduce((sum, folder) => sum + summaryOf(readTrainedRun(folder)).samples, 0);
  return { out, last: folders.at(-1)!, samples, ...(await reportRuns(folders, path.join(out, "report.html"))) };
}

/** A phase's options, with the previous phase's weights and replayed samples of all earlier phases. */
async function carried(all: readonly Phase[], i: number, folders: readonly string[]): Promise<TrainOptions> {
  const { options, replay } = all[i]!;
  const before = folders[i - 1];
  if (before === undefined) return options;
  const earlier = all.slice(0, i).flatMap((phase) => phase.options.data);
  const repeated = replay > 0 ? [await replayOf(earlier, replay, options.seed, `${folders[i]}.replay.jsonl`)] : [];
  // A new model keeps the first phase's tokenizer.
  const tokenizer = options.architecture ? { tokenizer: folders[0]! } : {};
  return { ...options, ...tokenizer, start: before, data: [...options.data, ...repeated] };
}

/**
 * Writes a random share of the files' samples, determined by files, share and seed, into one file; returns its path.
 * @throws UserError for a text file, which has no samples
 */
async function replayOf(files: readonly string[], share: number, seed: number, out: string): Promise<string> {
  const text = files.find((file) => !isJsonLines(file));
  if (text !== undefined) throw new UserError(`replay: only .jsonl files can be replayed, got ${text}`);
  const lines = files.flatMap((file) => readText(file).split("\n")).filter((line) => line.trim() !== "");
  const drawn = shuffle([...lines], seededRandom(seed)).slice(0, Math.round(share * lines.length));
  await writeWhole(out, drawn.map((line) => `${line}\n`).join(""));
  return out;
}
