import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { z } from "zod";
import type { RunData } from "../../src/train/data/open.ts";
import { type TrainOptions, trainOptions } from "../../src/train/options.ts";
import { openTraining } from "./open.ts";

/** A run in peers' formats: its initial weights as files in Hugging Face's layouts, and its data. */
export interface Prepared {
  readonly options: TrainOptions;
  /** The folder of a model or an adapter, removed when this process ends. */
  readonly folder: string;
  readonly data: RunData;
}

/** Writes a run's initial weights, so that a peer begins with the same weights. */
export async function prepare(values: z.input<typeof trainOptions>): Promise<Prepared> {
  const options = trainOptions.parse(values);
  const folder = temporary();
  const { subject, data } = await openTraining(options, folder);
  using _ = subject;
  await subject.write(folder);
  return { options, folder, data };
}

/** A folder that is removed when this process ends. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "modicum-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
