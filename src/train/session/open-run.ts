import { UserError } from "../../util/errors.ts";
import { fromFolder, Tokenizer } from "../../weights/tokenizer/index.ts";
import { upcycledCheckpoint } from "../checkpoint/upcycled-checkpoint.ts";
import { type DataFiles, openData, type RunData } from "../data/open.ts";
import { type DataSource, readSources } from "../data/source.ts";
import { checkSave } from "../graphs/saving-masks.ts";
import type { ChosenMethod, NewTokens } from "../methods/method.ts";
import { chosenMethod } from "../methods/registry.ts";
import type { TrainOptions } from "../options.ts";
import { encoderLoraSubject } from "../subject/encoder-lora.ts";
import { readingOf } from "../subject/encoder-reading.ts";
import { encoderSubject } from "../subject/encoder-subject.ts";
import { loraSubject } from "../subject/lora-subject.ts";
import { withTokens } from "../subject/new-tokens.ts";
import {
  type Base,
  checkTrainable,
  denoiserOf,
  newSubject,
  newTokenizer,
  oldSubject,
  type Subject,
} from "../subject/subject.ts";
import { imageTokensOf, openSeen, withImageToken } from "../vision/open-vision.ts";
import type { ReadImages } from "../vision/seen-rows.ts";
import { checkRun } from "./batch-stage.ts";

export interface OpenedRun {
  readonly subject: Subject;
  readonly data: RunData;
  readonly tokenizer: Tokenizer;
}

type OpenBase = (model: string) => Promise<Base>;

/**
 * Opens a run's model and data. A new model's tokenizer is written to `out`, or read from there if the run resumes.
 * @throws UserError
 */
export async function openRun(
  input: TrainOptions,
  out: string,
  openBase: OpenBase,
  resumes = false,
): Promise<OpenedRun> {
  checkModel(input);
  const chosen = chosenMethod(input);
  const read = (names: readonly string[]) => readSources(names, input.columns);
  const files = {
    files: await read(input.data),
    validation: typeof input.validation === "number" ? input.validation : await read(input.validation),
  };
  const { base, tokenizer } = await openTokens(input, files.files, chosen, out, openBase, resumes);
  const options = base ? input : withImageToken(input, tokenizer);
  const seen = await openSeen(options, base, out, tokenizer, files.files);
  const data = await dataOf(options, files, chosen, base, tokenizer, seen);
  const plain = await subjectOf(options, base, tokenizer, data);
  try {
    const subject = withHeads(chosen, plain, options);
    checkRun(options, subject, data);
    checkSave(options, data, chosen?.method.arrange !== undefined);
    return { subject, data, tokenizer };
  } catch (error) {
    plain[Symbol.dispose]();
    throw error;
  }
}

/** Checks that the options choose one model, and only parts of it that can be trained. @throws UserError */
function checkModel({ model, architecture, lora, train, upcycle }: TrainOptions): void {
  if ((model === undefined) === (architecture === undefined))
    throw new UserError("expected either a model to train further, or the architecture of a new model", 2);
  if (lora && train.length > 0) throw new UserError("with lora, only LoRA layers are trained; omit train", 2);
  if (upcycle && (lora || model === undefined))
    throw new UserError("upcycle trains all of an existing model; set model, and omit lora", 2);
  if (lora && model === undefined) throw new UserError("lora needs an existing model; set model", 2);
}

/** Opens the base, if any, and the tokenizer, with the method's special tokens added. */
async function openTokens(
  options: TrainOptions,
  data: readonly DataSource[],
  chosen: ChosenMethod | undefined,
  out: string,
  openBase: OpenBase,
  resumes: boolean,
): Promise<{ base: Base | undefined; tokenizer: Tokenizer }> {
  const { model } = options;
  const own = model === undefined ? imageTokensOf(options) : [];
  const added = (known?: Tokenizer): NewTokens => {
    const { names = [], ...more } = chosen?.method.newTokens?.(chosen.options, known) ?? {};
    return { ...more, names: [...own, ...names] };
  };
  if (model !== undefined) {
    const plain = upcycled(await openBase(model), options);
    const base = await withTokens(plain, added(plain.tokenizer), out);
    return { base, tokenizer: base.tokenizer };
  }
  const tokenizer = resumes
    ? new Tokenizer(fromFolder(out))
    : await newTokenizer(options, data, out, openBase, added());
  return { base: undefined, tokenizer };
}

/** Turns the base into a mixture of experts, if requested. @throws UserError */
function upcycled(base: Base, { upcycle, seed }: TrainOptions): Base {
  if (!upcycle) return base;
  checkTrainable(base.checkpoint);
  return { ...base, checkpoint: upcycledCheckpoint(base.checkpoint, upcycle, seed) };
}

/** Reads the data, which the run's method may read itself or change. */
async function dataOf(
  options: TrainOptions,
  files: DataFiles,
  chosen: ChosenMethod | undefined,
  base: Base | undefined,
  tokenizer: Tokenizer,
  seen: ReadImages | undefined,
): Promise<RunData> {
  const { batch: rows, seed } = options;
  const reading = await readingOf(options, base);
  const host = { options, tokenizer, denoiser: await denoiserOf(options, base) };
  const readers = {
    readList: chosen?.method.readList?.(chosen.options, tokenizer),
    arrange: chosen?.method.arrange?.(chosen.options, host),
    readSeen: seen?.read,
  };
  const data =
    (!reading && (await chosen?.method.openData?.(chosen.options, host, files))) ||
    openData({ ...options, ...files, rows, reading, readers }, tokenizer, seed);
  const own = chosen?.method.data?.(chosen.options, data, host);
  if (host.denoiser && !own)
    throw new UserError("method: only masked-diffusion can train a model that fills in masked tokens", 2);
  return { ...data, ...own, ...(seen && { encoded: seen.flops }) };
}

async function subjectOf(
  options: TrainOptions,
  base: Base | undefined,
  tokenizer: Tokenizer,
  { head }: RunData,
): Promise<Subject> {
  if (!base) return newSubject(options, tokenizer.vocabSize);
  if (head && options.neftuneNoiseAlpha !== undefined)
    throw new UserError(`neftuneNoiseAlpha: ${base.name} is an encoder, expected a decoder`, 2);
  if (head && options.lora) return encoderLoraSubject(options.lora, base, options, head);
  if (head) return encoderSubject(options, base.checkpoint, head);
  return options.lora
    ? await loraSubject(options.lora, base, options)
    : await oldSubject(options, base.checkpoint, base.extended);
}

/** Replaces a subject's heads and losses with the method's own. @throws UserError */
function withHeads(chosen: ChosenMethod | undefined, subject: Subject, options: TrainOptions): Subject {
  const { trainee } = subject;
  const objective = chosen?.method.objective?.(chosen.options, trainee.objective);
  const exits = chosen?.method.exits?.(chosen.options, trainee);
  const routerLoss = chosen?.method.routerLoss?.(chosen.options, trainee, options);
  const own = { ...(objective && { objective }), ...(exits && { exits }), ...(routerLoss && { routerLoss }) };
  return { ...subject, trainee: { ...trainee, ...own } };
}
