import type { Prompt } from "../engine/decode/language-model.ts";
import type { ModelIdentity } from "../pipelines/identity.ts";
import type { Pair, RouteModel } from "../pipelines/route/bill.ts";
import {
  checkRouteOptions,
  type PairName,
  parsePair,
  type RouteInput,
  type RouteOptions,
} from "../pipelines/route/name.ts";
import { type Calibration, findCalibration, type PairIdentity, thresholdOf } from "../pipelines/route/record.ts";
import { spelledOut } from "../pipelines/route/registered.ts";
import { type Decider, type Route, route } from "../pipelines/route/route.ts";
import type { ScoreOptions } from "../pipelines/route/scores.ts";
import { noticeForm } from "../savings/notice-form.ts";
import { registeredAs } from "../savings/registered.ts";
import { UserError } from "../util/errors.ts";
import { modelHash, type ResolveOptions, resolveModel } from "../weights/sources/index.ts";
import { given, modelName, pipelineOptions } from "./arguments.ts";
import { certificateFor, type PairCertificate, ruleUnder } from "./certified-route.ts";
import { heldShare, priceOfAnswer } from "./dense-price.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import type { Chunk, Completion, LoadOptions, RunOptions } from "./options.ts";
import { scoringOf } from "./route-scoring.ts";

export interface PipelineOptions extends Omit<LoadOptions, "save" | "adapter" | "adapters"> {
  /** The route's options, besides those in its name: `{ share: 0.3 }`. */
  route?: RouteInput;
  /** File of a calibration, in place of the pair's own. */
  calibration?: string | undefined;
  /** Called with the reason if Super could not answer, and Swift's answer was given. */
  onDegraded?: ((why: string) => void) | undefined;
}

/** A model's chunk; the first and the last have the route. */
export type RoutedChunk = Chunk & { route?: Route };
export type RoutedCompletion = Completion & { route: Route };

/**
 * Opens a pipeline by its name: `smollm2>qwen2.5-coder@share=0.3` answers with the first model, or with the second if
 * the first one's logits say that the prompt is hard. Either is a model as `load` takes it, or a recipe's name. Missing
 * models are downloaded.
 * @throws UserError
 */
export async function openPipeline(name: string, options: PipelineOptions = {}): Promise<RoutePipeline> {
  const asked = given("openPipeline's options", pipelineOptions, options);
  const { route: more = {}, calibration, onDegraded, quant, ...rest } = asked;
  const loading = { ...rest, ...(quant && { quant }) };
  const pair = parsePair(await spelledOut(given("openPipeline's name", modelName, name)));
  if (!pair)
    throw new UserError(`"${name}" is no pipeline; expected two models, SWIFT>SUPER, such as smollm2>qwen2.5-coder`, 2);
  const chosen = merged(pair, more);
  const loaded: Model[] = [];
  try {
    for (const model of [pair.swift, pair.super]) loaded.push(await load(model, loading));
    const [swift, strong] = loaded as [Model, Model];
    const identities = await identitiesOf(pair, swift, strong, quant);
    const { auto } = chosen;
    const forms = { swift: swift.language.form, super: strong.language.form };
    const rule =
      auto === undefined
        ? deciderOf(identities, chosen, swift, { file: calibration, onNotice: rest.onNotice })
        : certificateFor(identities, auto, forms);
    return new RoutePipeline(pair, { swift, super: strong }, identities, { ...rule, onDegraded });
  } catch (error) {
    for (const model of loaded) model.dispose();
    throw error;
  }
}

/** @throws UserError if an option is given in both */
function merged({ given: text, options }: PairName, more: RouteInput): RouteOptions {
  if (Object.keys(more).length === 0) return options;
  if (options.auto !== undefined) return checkRouteOptions({ auto: options.auto, ...more });
  const named = text === "" ? [] : text.split(",").map((part) => part.split("=") as [string, string]);
  const twice = named.find(([key]) => key in more);
  if (twice) throw new UserError(`route: ${twice[0]} is given twice, in the name and beside it`, 2);
  return checkRouteOptions({ ...Object.fromEntries(named), ...more });
}

/** @throws UserError if both are one model under one recipe */
async function identitiesOf(
  pair: PairName,
  swift: Model,
  strong: Model,
  quant: string | undefined,
): Promise<PairIdentity> {
  const [a, b] = [await identityOf(pair.swift, swift, quant), await identityOf(pair.super, strong, quant)];
  return pairOf(pair.name, a, b);
}

/** @throws UserError if both are one model under one recipe */
export function pairOf(name: string, swift: ModelIdentity, strong: ModelIdentity): PairIdentity {
  const key = ({ sha256, recipe, quant }: ModelIdentity) => JSON.stringify([sha256, recipe, quant]);
  if (key(swift) === key(strong))
    throw new UserError(`${name}: Swift and Super are the same model, expected two of different cost`, 2);
  return { swift, super: strong };
}

/** Identifies a loaded model by its weights, recipe and form; `name` is as the user wrote it. */
export async function identityOf(name: string, model: Model, quant: string | undefined): Promise<ModelIdentity> {
  const registered = await registeredAs(name);
  return {
    ...{ name, sha256: await modelHash(model.loaded.source) },
    recipe: model.recipe.map(({ text }) => text),
    quant: quant ?? registered?.quant ?? "auto",
    ...codesOf(model),
  };
}

/** The codes in which a decoder's 4-bit types run, if it has any. */
export function codesOf({ loaded }: Model): Pick<ModelIdentity, "codes"> {
  const codes = loaded.kind === "decoder" ? loaded.form.codes : undefined;
  return codes === undefined ? {} : { codes };
}

/**
 * The identity of the model that `load` would open, without loading it. Missing files are downloaded.
 * @throws UserError
 */
export async function identityNamed(
  name: string,
  quant: string | undefined,
  resolving: ResolveOptions,
): Promise<ModelIdentity> {
  const registered = await registeredAs(name);
  const source = await resolveModel(registered?.model ?? name, resolving);
  return {
    ...{ name, sha256: await modelHash(source) },
    recipe: registered?.steps.map(({ text }) => text) ?? [],
    quant: quant ?? registered?.quant ?? "auto",
  };
}

/** The place of a pair's calibration. */
interface CalibrationSource {
  /** A file, in place of the pair's own. */
  readonly file?: string | undefined;
  /** Called if it was made while Swift's weights ran in other codes. */
  readonly onNotice?: ((sentence: string) => void) | undefined;
}

/** @throws UserError if the pair is not calibrated for these options */
export function deciderOf(
  pair: PairIdentity,
  options: RouteOptions,
  swift: Model,
  { file, onNotice }: CalibrationSource = {},
): Decider {
  const scoring = scoringOf(options, swift);
  const { timeout } = options;
  const record = () => {
    const found = findCalibration(pair, scoring, file);
    noticeForm(found.path, { codes: found.swift.codes }, codesOf(swift), onNotice);
    return found.calibration;
  };
  return {
    ...{ scoring, threshold: thresholdFor(options, scoring, record) },
    ...(timeout !== undefined && { timeout: 1000 * timeout }),
  };
}

function thresholdFor({ t, share }: RouteOptions, scoring: ScoreOptions, recordOf: () => Calibration): number {
  if (t !== undefined) return t;
  // Random scores are uniform already.
  if (scoring.score === "random" && share !== undefined) return share;
  const record = recordOf();
  return share === undefined ? thresholdOf(record) : thresholdOf(record, { by: "share", value: share });
}

/** A loaded model as a route sees it. */
export const routeModel = (model: Model, identity: ModelIdentity): RouteModel<RunOptions> => ({
  identity,
  generate: (prompt, options) => model.generate(prompt, options),
  held: (prompt, options) => (model.loaded.kind === "decoder" ? heldShare(model.loaded, prompt, options) : 0),
  price: (prompt, answer, options, cached) =>
    model.loaded.kind === "decoder" ? priceOfAnswer(model.loaded, prompt, answer, options, cached) : undefined,
});

/** Two loaded models and the rule that chooses between them. Dispose of it to free both. */
export class RoutePipeline implements Disposable {
  readonly kind = "route";
  readonly name: string;
  readonly #pair: Pair<RunOptions>;
  readonly #recipe: readonly string[];

  constructor(
    { name, given }: PairName,
    readonly models: { readonly swift: Model; readonly super: Model },
    identities: PairIdentity,
    private readonly rule: (Decider | PairCertificate) & Pick<Decider, "onDegraded">,
  ) {
    this.name = name;
    this.#recipe = [given === "" ? "route" : `route:${given}`];
    this.#pair = {
      swift: routeModel(models.swift, identities.swift),
      super: routeModel(models.super, identities.super),
    };
  }

  /** A lower score goes to Super; undefined under a certificate, which chooses for each request. */
  get threshold(): number | undefined {
    return "threshold" in this.rule ? this.rule.threshold : undefined;
  }

  /** Streams an answer; the model is chosen before the first chunk. @throws UserError as a model's `generate` does */
  generate(prompt: Prompt, options: RunOptions = {}): AsyncGenerator<RoutedChunk, void> {
    return this.#routed(prompt, options, false);
  }

  /** The whole answer at once: a Super that breaks off is replaced by Swift, too. */
  async route(prompt: Prompt, options: RunOptions = {}): Promise<RoutedCompletion> {
    const whole: Pick<Completion, "text" | "tokens"> = { text: "", tokens: [] };
    for await (const { text, tokens, finishReason, receipt, route, prompt: _, ...called } of this.#routed(
      prompt,
      options,
      true,
    )) {
      whole.text += text;
      whole.tokens.push(...tokens);
      if (finishReason && receipt && route) return { ...whole, ...called, finishReason, receipt, route };
    }
    throw new Error("an answer ended without its receipt");
  }

  #routed(prompt: Prompt, options: RunOptions, whole: boolean): AsyncGenerator<RoutedChunk, void> {
    refuse(options);
    return this.#pieces(prompt, options, whole);
  }

  async *#pieces(prompt: Prompt, options: RunOptions, whole: boolean): AsyncGenerator<RoutedChunk, void> {
    const { rule } = this;
    const { signal, onStopped, arrived, budget, ...asked } = options;
    const terms = { signal, onStopped, arrived, whole };
    const model = this.name;
    if ("threshold" in rule)
      return yield* route(this.#pair, prompt, {
        ...{ ...rule, ...terms, options: { ...asked, budget } },
        named: { model, recipe: this.#recipe },
      });
    const { decider, choice } = await ruleUnder(rule, this.models.swift, prompt, options);
    const { onDegraded } = rule;
    yield* route(this.#pair, prompt, {
      ...{ ...decider, ...terms, onDegraded, options: asked },
      named: { model, recipe: choice.recipe, choice },
    });
  }

  dispose(): void {
    this.models.swift.dispose();
    this.models.super.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws UserError for options that belong to one model, or leave Swift nothing to be scored by */
function refuse({ adapter, save, promptLogprobs, observe, maxTokens }: RunOptions): void {
  const one = Object.entries({ adapter, save, promptLogprobs, observe }).find(([, value]) => value !== undefined);
  if (one) throw new UserError(`${one[0]} belongs to one model, and a route has two`, 2);
  if (maxTokens === 0) throw new UserError("a route needs at least 1 for maxTokens", 2);
}
