import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { withFile } from "../../../weights/read-file.ts";
import { parseHeader } from "../../../weights/safetensors/header.ts";
import { readFloats } from "../../../weights/safetensors/read.ts";
import { type WritableTensor, writeTensors } from "../../../weights/safetensors/write.ts";
import type { ExitTrainOptions } from "./options.ts";
import type { RowTrainer } from "./row-passes.ts";

const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);

/** The fits of a call as far as they have come, in the folder of the states that they read: the same call goes on there. */
export class KeptFits {
  readonly #prefix: string;

  constructor(
    private readonly folder: string,
    options: ExitTrainOptions,
  ) {
    this.#prefix = `fit-${hashOf(options)}-`;
  }

  /** Puts a trainer where the fit of a stage was stopped, or ended. @throws UserError if its file is damaged */
  restore(stage: string, trainer: RowTrainer): void {
    const file = this.#file(stage);
    if (!existsSync(file)) return;
    const tensors = withFile(file, parseHeader);
    for (const [name, values] of trainer.buffers) values.set(readFloats(tensors.get(name)!));
    trainer.steps = readFloats(tensors.get("steps")!)[0]!;
  }

  /** @throws UserError if the disk refuses it */
  async keep(stage: string, { buffers, steps }: RowTrainer): Promise<void> {
    const all = [...buffers, ["steps", Float32Array.of(steps)] as const];
    const tensors = all.map(([name, values]): [string, WritableTensor] => [
      name,
      { shape: [values.length], values: () => values },
    ]);
    await writeTensors(this.#file(stage), new Map(tensors));
  }

  /** Removes all, once the call is done. */
  async remove(): Promise<void> {
    const fits = readdirSync(this.folder).filter((name) => name.startsWith(this.#prefix));
    for (const name of fits) await rm(path.join(this.folder, name), { force: true });
  }

  #file(stage: string): string {
    return path.join(this.folder, `${this.#prefix}${hashOf(stage)}.safetensors`);
  }
}
