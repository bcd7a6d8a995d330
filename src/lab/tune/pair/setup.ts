import type { LanguageModel } from "../../../engine/decode/language-model.ts";
import type { Model } from "../../../library/model.ts";
import type { Weights } from "../../../savings/auto/certificate.ts";
import { UserError } from "../../../util/errors.ts";
import { chosenBits } from "../../../weights/prepared/tuning.ts";
import { modelHash, preparedFolder } from "../../../weights/sources/index.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { ServedItem, TuningItems } from "../items.ts";
import type { TuneOptions } from "../options.ts";
import type { Parts } from "../split.ts";
import { timedItems } from "../times.ts";
import { LoadedPair, type TunedPair } from "./models.ts";
import { waysOf } from "./ways.ts";

/** A model's weights, to which a certificate is bound. */
export const weightsOf = async ({ source, form }: LanguageModel): Promise<Weights> => ({
  model: await modelHash(source),
  form: form.quant ?? "auto",
  codes: chosenBits(preparedFolder(source.path)),
});

/** @throws UserError if a model of the pair has its own recipe: dense is Super without a recipe */
export function requirePlain({ name, swift }: TunedPair, strong: Model): void {
  const recipe = [swift, strong].find(({ recipe }) => recipe.length > 0);
  if (recipe) throw new UserError(`--model: ${name.name}: tuning a pair needs two models without recipes`, 2);
}

type Sampling = Readonly<Record<string, number>>;

/** Both models' sampling settings. @throws UserError if they differ, since a tuning run samples in only one way */
export function commonSampling({ name }: TunedPair, swift: Sampling, strong: Sampling): Record<string, number> {
  const settings = [...new Set([...Object.keys(swift), ...Object.keys(strong)])];
  const other = settings.find((setting) => swift[setting] !== strong[setting]);
  if (other === undefined) return { ...strong };
  const [a, b] = [swift[other] ?? "off", strong[other] ?? "off"];
  throw new UserError(
    `${name.name}: by their own settings ${name.swift} samples with ${other} ${a} and ${name.super} with ${b}; --temperature 0 makes both greedy`,
    2,
  );
}

/** Swift's items that also fit Super's context. @throws UserError if none remain */
export function forBoth({ name }: TunedPair, items: TuningItems, strong: LanguageModel): TuningItems {
  const { context } = strong.decoder.config;
  const fitting = items.items.filter(({ prompt, maxTokens }) => strong.encode(prompt).length + maxTokens <= context);
  const [first] = fitting;
  if (first === undefined) throw new UserError(`${items.task}: every item is longer than the context of ${name.super}`);
  if (strong.formOf(first.prompt) !== items.prompt)
    throw new UserError(
      `${name.name}: ${name.swift} reads the prompts as ${items.prompt} and ${name.super} does not; expected two models that read them alike`,
      2,
    );
  return { ...items, items: fitting, tooLong: items.tooLong + items.items.length - fitting.length };
}

/** @throws UserError if Super cannot score Swift's tokens */
export function requireScored({ name, swift }: TunedPair, strong: Model, greedy: boolean): void {
  if (!greedy) throw new UserError("--loss nats for a pair needs greedy answers; --temperature 0 makes them greedy", 2);
  if (isSame(swift.language.tokenizer, strong.language.tokenizer)) return;
  throw new UserError(
    `--loss nats scores ${name.swift}'s tokens with ${name.super}, and the two have different tokenizers; use another loss`,
    2,
  );
}

function isSame(a: Tokenizer, b: Tokenizer): boolean {
  if (a.vocabSize !== b.vocabSize) return false;
  for (let id = 0; id < a.vocabSize; id++) if (a.text(id) !== b.text(id)) return false;
  return [...a.stopIds].join() === [...b.stopIds].join();
}

/** The number of items that are timed with dense and with both extremes of each route. */
const TIMED = 12;

/** Estimates a tuning run's maximum minutes from both models' answers to three items. */
export async function pairMinutes(
  { pair, model, options }: { readonly pair: TunedPair; readonly model: Model; readonly options: TuneOptions },
  { search, test, loss }: Parts<ServedItem> & { readonly loss: string },
  signal?: AbortSignal,
) {
  const ways = waysOf(pair.name);
  using models = await LoadedPair.open(pair, model, ways, options.temperature, signal);
  const three = timedItems([...search, ...test], 3);
  for (const role of ["swift", "super"] as const) await models.alone(role, three[0]!);
  const started = performance.now();
  for (const item of three) {
    const both = [await models.alone("swift", item), await models.alone("super", item)];
    if (loss === "nats") await models.excess(item, both);
  }
  const item = (performance.now() - started) / three.length / 60_000;
  return { search: item * (search.length + TIMED * (1 + 2 * ways.length)), test: item * test.length };
}
