import { createHash } from "node:crypto";
import { thresholdCalibration } from "../../savings/attention/xattention/calibration.ts";
import type { ThresholdProfile } from "../../savings/attention/xattention/thresholds.ts";
import type { Calibration, CalibrationHost, CalibrationPrompt, GivenText, Learnt } from "../../savings/calibration.ts";
import { planOf } from "../../savings/plan.ts";
import { UserError } from "../../util/errors.ts";
import { modelHash } from "../../weights/sources/index.ts";
import { Meter } from "../bill/meter.ts";
import type { LanguageModel } from "../decode/language-model.ts";
import { encodeWithPlaces, seenPrompt } from "../decode/vision/seen-prompt.ts";
import type { ImageInput } from "../images/pixels/input.ts";
import { readTexts } from "./given-texts.ts";

/** The settings for calibrating a saving on texts. */
export interface CalibrateTerms {
  /** The calibration's own options, as text or as values. */
  readonly options?: Readonly<Record<string, unknown>>;
  /**
   * The maximum number of tokens to read from the beginning of each text, at most the context; if absent, all are read,
   * and no text may be longer than the context.
   */
  readonly tokens?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A text, or a question about an image as a chat turn. */
export type CalibrationText = string | (ImageInput & { readonly prompt: string });

/** Reads a text's first `most` tokens, or an entire question about an image. @throws UserError */
async function readText(
  model: LanguageModel,
  text: CalibrationText,
  most: number | undefined,
): Promise<CalibrationPrompt> {
  if (typeof text === "string")
    return { prompt: model.encode(text, true).slice(0, most), embeddings: new Map(), visual: [] };
  const ids = encodeWithPlaces(model, text.prompt, 1, { raw: false, tools: [] });
  return seenPrompt(model, ids, [text.image]);
}

/**
 * Calibrates a saving on typical texts.
 * @param what the caller's name, for errors
 * @throws UserError if the saving does not support the model, there is no text, or a text is empty or longer than the
 * context
 */
export async function calibrate(
  what: string,
  model: LanguageModel,
  calibration: Calibration,
  texts: readonly CalibrationText[],
  { options = {}, tokens, signal }: CalibrateTerms,
): Promise<Learnt> {
  if (texts.length === 0) throw new UserError(`${what}: expected at least one text, got none`);
  const { context } = model.decoder.config;
  const most = tokens && Math.min(tokens, context);
  const prompts: CalibrationPrompt[] = [];
  for (const [i, text] of texts.entries()) {
    const read = await readText(model, text, most);
    const { length } = read.prompt;
    if (length === 0 || length > context)
      throw new UserError(`${what}: text ${i} has ${length} tokens, expected 1 to ${context}`);
    prompts.push(read);
  }
  const { decoder, form } = model;
  const host: CalibrationHost = {
    ...{ decoder, form, hash: () => modelHash(model.source), textsSha256: hashOf(prompts) },
    ...{ prefill: prefillOf(model, signal), read: (all) => readTexts(model.engine, all.map(planned), signal) },
  };
  return calibration.learn(host, prompts, calibration.options.parse(options));
}

const planned = ({ part, ...text }: GivenText) => ({ ...text, plan: planOf([part]) });

const prefillOf =
  ({ engine }: LanguageModel, signal: AbortSignal | undefined): CalibrationHost["prefill"] =>
  async (request, part) => {
    signal?.throwIfAborted();
    const { prompt, embeddings } = request;
    const plan = planOf([part]);
    await engine.prepare(plan);
    // Every row must run, whatever an earlier prompt left in the cache.
    const slot = engine.acquireEmpty(prompt, plan);
    const terms = { meter: new Meter(engine.programs), plan, embeddings };
    try {
      for await (const logits of engine.chunks(slot, prompt, terms)) if (logits) return logits;
      throw new Error("a prompt ended without logits");
    } finally {
      engine.release(slot);
    }
  };

/** The ids of image rows exist only in this process, so the rows' values are hashed instead. */
function hashOf(prompts: readonly CalibrationPrompt[]): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify(prompts.map(({ prompt }) => prompt.map((id) => Math.max(id, -1)))));
  for (const { embeddings } of prompts) for (const row of embeddings.values()) hash.update(row);
  return hash.digest("hex");
}

export interface ProfileOptions {
  readonly stride: number;
  readonly blockSize: number;
  /** The share of the exact attention mass that the kept blocks must hold. */
  readonly coverage: number;
}

/** XAttention's threshold for each layer and head. @throws UserError like `calibrate` */
export async function profileThresholds(
  model: LanguageModel,
  texts: readonly string[],
  options: ProfileOptions,
): Promise<ThresholdProfile> {
  const learnt = await calibrate("profileThresholds", model, thresholdCalibration, texts, { options: { ...options } });
  return learnt.artefact as ThresholdProfile;
}
