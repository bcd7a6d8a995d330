import { z } from "zod";
import { effectiveSampling } from "../../engine/decode/sampling/defaults.ts";
import { load } from "../../library/load.ts";
import type { Model } from "../../library/model.ts";
import { formAdvice } from "../../savings/notice-form.ts";
import { UserError } from "../../util/errors.ts";
import { adapterHash } from "../../weights/adapter/record.ts";
import type { Quant } from "../../weights/prepared/quant.ts";
import { quantHere } from "../../weights/prepared/tuning.ts";
import { modelHash, type ResolvedModel, type ResolveOptions, resolveModel } from "../../weights/sources/index.ts";
import { type FileHashes, requireFiles } from "../run/recipe-files.ts";
import { recipeOf } from "../tune/candidates.ts";
import type { ServedItem } from "../tune/items.ts";
import { answerHash, drawingOf, ModelServing, type ServedAnswer } from "../tune/served.ts";
import type { Notice } from "./connection.ts";
import { Unfit } from "./refusal.ts";

/** The settings that a tuning run's losses depend on, besides items and recipes; workers must share them. */
export interface LossSetting {
  /** Modicum's version. */
  readonly version: string;
  /** The model's name, or the absolute path of a file that the worker also has. */
  readonly model: string;
  readonly modelHash: string;
  /** The form in which the weights are loaded. */
  readonly form: Quant;
  /** Bits per code with which 4-bit weights run; absent if the model has no such weights. */
  readonly codes?: number;
  /** The adapter's absolute path, valid for the worker as well. */
  readonly adapter?: { readonly folder: string; readonly hash: string };
  /** If absent, the model's own settings apply. */
  readonly temperature?: number;
  readonly sampling: Readonly<Record<string, number>>;
}

/** An item for a worker to answer and score under some recipes. */
export interface LossJob {
  readonly setting: LossSetting;
  readonly item: Pick<ServedItem, "id" | "group" | "tokens" | "prompt" | "stop" | "maxTokens">;
  /** The recipes' texts, with absolute file paths. */
  readonly recipes: readonly string[];
  /** Hashes of the recipes' files. */
  readonly files: FileHashes;
  /** True if answers are compared by the likelihood that dense assigns to their tokens. */
  readonly scored: boolean;
  /** The hash of dense's answer, which is already scored. */
  readonly known?: string;
}

const servedSchema = z.object({
  text: z.string(),
  tokens: z.array(z.int()),
  reason: z.enum(["stop", "length", "repetition", "stopped"]),
  ...{ ms: z.number(), flops: z.number(), bytes: z.number() },
  own: z.number().optional(),
});

/**
 * A worker's result: one answer per recipe, in order, with its score; null if a recipe gave no answer, for whatever
 * reason.
 */
export const lossAnswers = z.array(z.object({ served: servedSchema, excess: z.number().optional() }).nullable());
export type LossAnswers = readonly ({ readonly served: ServedAnswer; readonly excess?: number | undefined } | null)[];

interface Around {
  readonly version: string;
  readonly notice: Notice;
  /** Stops the work, even within an answer. */
  readonly signal: AbortSignal;
  readonly fetching: Pick<ResolveOptions, "onProgress">;
}

/** A tuning run's model, kept for the run's next job. */
export class LossBench implements Disposable {
  answered = 0;
  #loaded: { readonly key: string; readonly model: Model; readonly serving: ModelServing } | undefined;

  constructor(private readonly around: Around) {}

  /** @throws Unfit if this worker differs from the tuning's settings */
  async answer(job: LossJob): Promise<LossAnswers> {
    const serving = await this.#serving(job).catch((error: unknown) => {
      throw new Unfit(error);
    });
    const answers: (ServedAnswer | undefined)[] = [];
    for (const recipe of job.recipes) answers.push(await this.#whole(serving.answer(recipe, job.item, job.scored)));
    const scores = job.scored ? await this.#scores(serving, job, answers) : new Map<string, number>();
    this.answered++;
    return answers.map((served) => {
      if (served === undefined) return null;
      const excess = scores.get(answerHash(served));
      return { served, ...(excess !== undefined && !Number.isNaN(excess) && { excess }) };
    });
  }

  /** The scores by answer hash, except the score of dense's answer, which is already known. */
  async #scores(serving: ModelServing, { item, known }: LossJob, answers: readonly (ServedAnswer | undefined)[]) {
    const fresh = new Map(answers.flatMap((served) => (served ? [[answerHash(served), served] as const] : [])));
    if (known !== undefined) fresh.delete(known);
    if (fresh.size === 0) return new Map<string, number>();
    const scores = (await this.#whole(serving.excess(item, [...fresh.values()]))) ?? [];
    return new Map([...fresh.keys()].map((hash, i) => [hash, scores[i] ?? Number.NaN]));
  }

  /**
   * Returns the result, or undefined if the work failed: the tuning run's own process then answers the item. @throws if
   * the work is stopped
   */
  async #whole<T>(result: Promise<T>): Promise<T | undefined> {
    try {
      return await result;
    } catch (error) {
      this.around.signal.throwIfAborted();
      this.around.notice(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  async #serving({ setting, recipes, files }: LossJob): Promise<ModelServing> {
    // Jobs of a different version may have a different format.
    if (setting.version !== this.around.version)
      throw new UserError(`tuning needs Modicum ${setting.version}, and this worker has ${this.around.version}`);
    await requireFiles(recipes.flatMap(recipeOf), files);
    const key = JSON.stringify(setting);
    if (this.#loaded?.key === key) return this.#loaded.serving;
    this.free();
    const model = await this.#model(setting);
    try {
      requireSame(model, setting);
      const serving = await ModelServing.open(model, setting.temperature, this.around.signal);
      this.around.notice(`${setting.model}: losses for a tuning run`);
      this.#loaded = { key, model, serving };
      return serving;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /** @throws UserError if the model or the adapter differs here */
  async #model({ model, modelHash: expected, form, adapter }: LossSetting): Promise<Model> {
    const { fetching, notice, signal } = this.around;
    const resolving = { ...fetching, onNotice: notice, signal };
    const hash = await modelHash(await resolveModel(model, resolving));
    if (hash !== expected) throw differs(model, `${hash.slice(0, 12)}…`, `${expected.slice(0, 12)}…`);
    if (adapter === undefined) return await load(model, { ...resolving, quant: form });
    const held = adapterHash(adapter.folder);
    if (held !== adapter.hash)
      throw differs(`the adapter ${adapter.folder}`, `${held.slice(0, 12)}…`, `${adapter.hash.slice(0, 12)}…`);
    return await load(model, { ...resolving, quant: form, adapter: adapter.folder });
  }

  /** Frees the model until the next job. */
  free(): void {
    this.#loaded?.serving[Symbol.dispose]();
    this.#loaded?.model.dispose();
    this.#loaded = undefined;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

/** @throws UserError if `auto` selects a different form here than where the run started */
export function requireQuant(source: ResolvedModel, quant: Quant): void {
  const own = quantHere(source, quant);
  if (own !== quant) throw otherForm(source.name, own, quant);
}

const otherForm = (name: string, here: string, there: Quant): UserError =>
  new UserError(`the form of ${name} is ${here} here, and ${there} in the queue${formAdvice(there, here)}`);

const differs = (what: string, here: string, there: string): UserError =>
  new UserError(`${what}: ${here} here, ${there} in the run`);

/** @throws UserError if the model runs in a different form here, or samples differently */
function requireSame(model: Model, { model: name, form, codes, temperature, sampling }: LossSetting): void {
  const own = model.language.form;
  if (own.quant !== form) throw otherForm(name, `${own.quant}`, form);
  if (own.codes !== codes) throw differs(`the codes of ${name}`, bits(own.codes), bits(codes));
  const drawn = effectiveSampling(drawingOf(model, temperature));
  if (!sameSettings(drawn, sampling)) throw differs(`the sampling of ${name}`, settings(drawn), settings(sampling));
}

const bits = (codes: number | undefined): string => (codes === undefined ? "none" : `${codes} bits`);
const settings = (sampling: Readonly<Record<string, number>>): string =>
  Object.entries(sampling)
    .toSorted()
    .map(([name, value]) => `${name} ${value}`)
    .join(", ") || "greedy";
const sameSettings = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean =>
  settings(a) === settings(b);
