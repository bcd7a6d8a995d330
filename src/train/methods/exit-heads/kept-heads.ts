import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import type { ExitHeadSettings } from "../../../savings/depth/exits/heads.ts";
import { sha256Of } from "../../../util/hash.ts";
import { fillWhole } from "../../../util/write-whole.ts";
import { withFile } from "../../../weights/read-file.ts";
import { parseHeader } from "../../../weights/safetensors/header.ts";
import { readFloats } from "../../../weights/safetensors/read.ts";
import { writeTensors } from "../../../weights/safetensors/write.ts";
import type { TrainedHead, TrainedWeights } from "./head-training.ts";
import type { ExitTrainOptions } from "./options.ts";

/**
 * Stored heads, trained on the states in a folder, with their guesses. They are reused by a resumed run, and by runs
 * with other classifiers, labels or k.
 */
export class KeptHeads {
  readonly #key: string;

  constructor(
    private readonly folder: string,
    /** The number of positions at which heads guess. */
    private readonly positions: number,
    settings: ExitHeadSettings,
    { targets, headEpochs, headRate, seed }: ExitTrainOptions,
  ) {
    const inputs = JSON.stringify([settings, targets, headEpochs, headRate, seed]);
    this.#key = sha256Of(inputs).slice(0, 16);
  }

  has(layer: number): boolean {
    const [guesses, weights] = this.#files(layer);
    return existsSync(weights) && existsSync(guesses) && statSync(guesses).size === 2 * this.positions;
  }

  /** The head after a layer; undefined if it is not stored. @throws UserError if the file is damaged */
  read(layer: number): TrainedHead | undefined {
    if (!this.has(layer)) return undefined;
    const [guesses, weights] = this.#files(layer);
    const bytes = new Uint8Array(readFileSync(guesses));
    return {
      weights: weightsIn(weights),
      guesses: { places: bytes.subarray(0, this.positions), right: bytes.subarray(this.positions) },
    };
  }

  /** @throws UserError if writing fails */
  async keep(layer: number, { weights, guesses: { places, right } }: TrainedHead): Promise<void> {
    const [guesses, tensors] = this.#files(layer);
    const writable = [...weights].map(([name, { shape, values }]) => [name, { shape, values: () => values }] as const);
    await writeTensors(tensors, new Map(writable));
    await fillWhole(guesses, async (part) => {
      await part.writeFile(places);
      await part.writeFile(right);
    });
  }

  #files(layer: number): [guesses: string, weights: string] {
    const name = path.join(this.folder, `head-${layer}-${this.#key}`);
    return [`${name}.guesses`, `${name}.safetensors`];
  }
}

const weightsIn = (file: string): TrainedWeights =>
  new Map(
    [...withFile(file, parseHeader).values()].map((tensor) => [
      tensor.name,
      { shape: tensor.shape, values: readFloats(tensor) },
    ]),
  );
