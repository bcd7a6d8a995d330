import { bareSavings, checkSavings } from "../../engine/file/check-savings.ts";
import type { NamedRank } from "../../pipelines/rank-pipeline.ts";
import { pipelineNamed, rankPipelineNamed, textPipelineNamed } from "../../pipelines/registry.ts";
import type { NamedText } from "../../pipelines/text-pipeline.ts";
import type { Device } from "../../runtime/device.ts";
import { certificateIn, isPairCertificate } from "../../savings/auto/certificate.ts";
import { uncertified } from "../../savings/notice-form.ts";
import { asUsual, checkSeams, parseRecipe, type Recipe } from "../../savings/recipe.ts";
import {
  earlierRecipe,
  otherForm,
  type RegisteredRecipe,
  registeredRecipes,
  requireAdapter,
  requireForm,
  requireModel,
  shortName,
} from "../../savings/registered.ts";
import { savingNamed } from "../../savings/registry.ts";
import { UserError } from "../../util/errors.ts";
import type { Quant } from "../../weights/prepared/quant.ts";
import { modelHash, type ResolvedModel, resolveModel } from "../../weights/sources/index.ts";
import type { PromptForm } from "../../weights/tokenizer/index.ts";
import { keptFor, type Naming } from "../generation/naming.ts";
import { HttpError } from "../http/errors.ts";
import { checkRecipe, isRegisteredName, type Terms } from "../keys/terms.ts";
import { withAdapters } from "./adapters.ts";
import {
  ADAPTER,
  atLast,
  configuredOr,
  named,
  notOneModel,
  pipelinesIn,
  unknown,
  unnamed,
  withoutPipelines,
} from "./names.ts";
import { formOfServed, kindOfServed, type ModelChoice, quantOfServed, type ServedModel } from "./served.ts";
import { Texts } from "./texts.ts";

/** The options with which a server opens its models. */
interface Opening {
  resolve?: (model: string) => Promise<ResolvedModel>;
  /** Names taken by models on other servers. */
  elsewhere?: readonly string[];
  /** Adapters, each as NAME=FOLDER. */
  adapters?: readonly string[];
  quant?: Quant;
  device?: Device;
  /** Default savings of answers, for requests and keys that name none. */
  usual?: readonly string[];
}

/** A server's models by name. No request can add one: all are named at startup. */
export class Catalogue {
  readonly #served: ReadonlyMap<string, ServedModel>;
  /** The adapters' base models, by adapter name. */
  readonly #bases: ReadonlyMap<string, ServedModel>;
  readonly #hashes = new Map<ResolvedModel, Promise<string>>();
  readonly #savings = new Map<ServedModel, Promise<readonly string[]>>();
  /** Notices already logged. */
  readonly #noticed = new Set<string>();

  private constructor(
    all: readonly ServedModel[],
    private readonly elsewhere: readonly string[],
    /** The rerankers named at startup. */
    readonly rankers: readonly NamedRank[],
    /** The other pipelines named at startup. */
    private readonly configured: Texts,
    /** Default savings of answers, for requests and keys that name none. */
    private readonly usual: readonly string[],
  ) {
    this.#served = new Map(all.map((model) => [model.id, model]));
    this.#bases = new Map(all.flatMap((model) => model.adapters.map(({ name }) => [name, model])));
  }

  /**
   * `specs` are MODEL arguments, `name=MODEL`, or pipelines (`A>B@share=0.3`, `A+first`), whose models are offered.
   * Downloads missing models.
   * @throws UserError
   */
  static async open(
    specs: readonly string[],
    { resolve = resolveModel, elsewhere = [], adapters = [], quant = "auto", device = "cpu", usual = [] }: Opening = {},
  ): Promise<Catalogue> {
    const all: ServedModel[] = [];
    for (const spec of withoutPipelines(specs, elsewhere)) {
      const { id, model } = named(spec);
      if (elsewhere.includes(id) || all.some((model) => model.id === id))
        throw new UserError(`two models are named "${id}"; use name=MODEL`, 2);
      const source = await resolve(model);
      all.push({ id, model, source: { ...source, name: id }, quant, device, adapters: [] });
    }
    const offered = await withAdapters(all, adapters, elsewhere);
    return new Catalogue(offered, elsewhere, pipelinesIn(specs, rankPipelineNamed), new Texts(specs), usual);
  }

  /** All model names for requests, without registered recipes. */
  get names(): string[] {
    const pipelines = [...this.texts, ...this.rankers].map(({ name }) => name);
    return [...this.#served.keys(), ...this.#bases.keys(), ...this.elsewhere, ...pipelines];
  }

  /** The only model's name, which requests may omit; undefined if there are several. */
  get only(): string | undefined {
    const [name, ...others] = this.names;
    return others.length === 0 ? name : undefined;
  }

  list(): ServedModel[] {
    return [...this.#served.values()];
  }

  /** The pipelines named at startup that answer texts. */
  get texts(): readonly NamedText[] {
    return this.configured.all;
  }

  /**
   * Replaces a registered recipe in a pipeline's name, such as `A>B@mine`, with its certificate; other names are
   * unchanged. The recipe may be registered under the models' names on this server or on the command line.
   * @throws HttpError 400, 404
   */
  async spelledOut(name: string): Promise<string> {
    const [bare, recipe] = atLast(name);
    const named = this.text(name) && this.text(bare);
    if (!named) return name;
    const isSame = ([role, model]: [string, string]) =>
      model === named.roles[role] || model === shortName(this.#served.get(named.roles[role]!)?.model ?? "");
    const entry = Object.entries(await registeredRecipes()).find(([key]) => {
      const [models, known] = atLast(key);
      const other = known === recipe ? textPipelineNamed(models) : undefined;
      return other?.pipeline === named.pipeline && Object.entries(other.roles).every(isSame);
    });
    return entry ? `${bare}@${entry[1].recipe.join()}` : name;
  }

  /** The default savings for answers to a key's requests: the key's own, or else the server's. */
  usualFor(terms: Pick<Terms, "recipe"> | undefined): readonly string[] {
    return terms && terms.recipe.length > 0 ? terms.recipe : this.usual;
  }

  /**
   * @returns a sentence about each default certificate under which some models do not answer
   * @throws UserError if a default saving is unknown, or does not fit one of the models; a certificate must fit at least one
   */
  async checkUsual(): Promise<string[]> {
    await checkRecipe({ recipe: this.usual });
    const certificate = this.usual.find(isPairCertificate);
    if (certificate !== undefined && !this.texts.some(({ pipeline }) => pipeline.certified))
      throw new UserError(`--save ${certificate} is for a pair of models; no --model names one`, 2);
    const decoders = this.list().filter((model) => kindOfServed(model) === "decoder");
    for (const model of decoders) {
      const { recipe } = await this.#usual(model, this.usual);
      await checkSavings(model.source, recipe);
    }
    const all = await Promise.all(this.usual.map(async (text) => [text, await this.#withoutIt(text)] as const));
    const some = all.filter(([, without]) => decoders.some((model) => without.includes(model)));
    return some.map(([text, without]) => {
      const under = decoders.filter((model) => !without.includes(model)).map(({ id }) => id);
      return `${text} was tuned on ${under.join(" and ")}, so other models answer without it`;
    });
  }

  /**
   * The models to which a certificate among the server's own default savings does not apply, since it was tuned on
   * another of the server's models.
   */
  async #withoutIt(saving: string): Promise<readonly ServedModel[]> {
    const certificate = this.usual.includes(saving) ? certificateIn(saving) : undefined;
    if (!certificate || certificate.pair) return [];
    const all = this.list();
    const hashes = await Promise.all(all.map(({ source }) => this.hashOf(source)));
    // A certificate that fits none of the models is refused for each of them.
    return hashes.includes(certificate.model) ? all.filter((_, i) => hashes[i] !== certificate.model) : [];
  }

  /** The text pipeline of this name; undefined for other names. @throws HttpError 400 */
  text(name: string): NamedText | undefined {
    return this.#isOne(name) ? undefined : this.configured.find(name);
  }

  /** The reranker of this name; undefined for a model's name. @throws HttpError 400 */
  ranker(name: string): NamedRank | undefined {
    return this.#isOne(name) ? undefined : configuredOr(name, this.rankers, rankPipelineNamed);
  }

  /** True for the name of a model or an adapter, not of a pipeline. */
  #isOne(name: string): boolean {
    return this.#served.has(name) || this.#bases.has(name);
  }

  /**
   * Finds a model by its name or a registered recipe (`smollm2@fast`), with the request's savings. Without any, `usual`
   * applies: savings, or names of recipes, among which the model's own registered recipe is used.
   * @throws HttpError 404 with the nearest name, 400 for an adapter; UserError if the savings conflict
   */
  async choose(naming: Naming, usual: readonly string[] = []): Promise<ModelChoice> {
    const base = this.#bases.get(naming.model);
    if (base) throw new HttpError(400, `${naming.model} ${ADAPTER}, such as ${base.id}`, { param: "model" });
    return { ...(await this.#named(naming, usual)), keepAlive: keptFor(naming.keep_alive) };
  }

  /**
   * Like `choose`, for an answer that may use an adapter. A recipe of the adapter's base was not measured with the
   * adapter, so it is never a default.
   */
  async chooseWriter(naming: Naming, usual: readonly string[] = []): Promise<ModelChoice> {
    const base = this.#bases.get(naming.model);
    if (!base) return this.choose(naming, usual);
    const own = usual.filter((text) => !isRegisteredName(text));
    return { ...(await this.choose({ ...naming, model: base.id }, own)), adapter: naming.model };
  }

  async #named({ model: name, savings }: Naming, usual: readonly string[]): Promise<ModelChoice> {
    const added = parseRecipe(savings ?? []);
    refusePaths(added, "a request may not do; register the recipe on the server");
    const served = this.#served.get(name);
    if (served && savings) return chosenOf(served, added);
    if (served) return this.#usual(served, usual);
    const entry = await this.#registered(name);
    const { steps, notice } = earlierRecipe(name, entry);
    const choice = chosenOf(entry.served, [...steps, ...added], entry.quant);
    return { ...choice, ownAdapter: requireAdapter(name, entry), registered: { name, entry, notice } };
  }

  /**
   * Checks that the request's recipe was measured on prompts of this form, chat or plain (undefined for token ids).
   * @returns new notices about the recipe for the log
   * @throws UserError if the recipe was measured on prompts of the other form
   */
  checkForm(choice: ModelChoice, form: PromptForm | undefined): string[] {
    const { registered, recipe } = choice;
    const measured = registered && [
      registered.notice,
      requireForm(registered.name, registered.entry, form),
      otherForm(registered.name, registered.entry, { quant: quantOfServed(choice) }),
    ];
    const all = [...(measured ?? []), ...uncertified(recipe, form)];
    return all.filter((it) => it !== undefined).filter((it) => this.isNew(it));
  }

  /** True the first time, for a notice that is logged once. */
  isNew(notice: string): boolean {
    const isNew = !this.#noticed.has(notice);
    this.#noticed.add(notice);
    return isNew;
  }

  /** A model by its own name. @throws HttpError 404 with the nearest name; 400 if other servers run it */
  offered(name: string): ServedModel {
    const model = this.#served.get(name);
    if (model) return model;
    if (!this.elsewhere.includes(name)) throw unknown(name, [...this.#served.keys()]);
    const message = `${name} runs on other servers, which keep its recipes; register the recipe there`;
    throw new HttpError(400, message, { param: "model" });
  }

  async #usual(model: ServedModel, usual: readonly string[]): Promise<ModelChoice> {
    const named = usual.find((text) => isRegisteredName(text) && this.#servedAs(text) === model);
    if (named !== undefined) return this.#named({ model: named }, []);
    const own = usual.filter((text) => !isRegisteredName(text) && !isPairCertificate(text));
    const without = await Promise.all(own.map((text) => this.#withoutIt(text)));
    const savings = own.filter((_, i) => !without[i]!.includes(model));
    return chosenOf(model, asUsual(parseRecipe(savings)));
  }

  /** The recipes registered for models on offer, by name. */
  async recipes(): Promise<[name: string, recipe: RegisteredRecipe & { served: ServedModel }][]> {
    const all = Object.entries(await registeredRecipes());
    return all.flatMap(([name, entry]) => {
      const model = this.#servedAs(name);
      return model ? [[name, { ...entry, served: model }] as [string, RegisteredRecipe & { served: ServedModel }]] : [];
    });
  }

  /** A recipe's model, by its name on this server or on the command line. */
  #servedAs(recipe: string): ServedModel | undefined {
    const name = recipe.slice(0, recipe.lastIndexOf("@"));
    return this.#served.get(name) ?? this.list().find(({ model }) => shortName(model) === name);
  }

  async #registered(name: string): Promise<RegisteredRecipe & { served: ServedModel }> {
    const recipes = await this.recipes();
    const entry = recipes.find(([known]) => known === name)?.[1];
    const pipeline = entry ? undefined : pipelineNamed(name);
    // If a single model is expected, a pair's name counts as unknown.
    if (pipeline?.naming && !("serving" in pipeline) && this.text(name))
      throw new HttpError(400, notOneModel(name, pipeline.naming.kind), { param: "model" });
    if (!entry && name === "") throw unnamed(this.names);
    if (!entry)
      throw unknown(name, [
        ...this.#served.keys(),
        ...this.#bases.keys(),
        ...this.elsewhere,
        ...recipes.map(([known]) => known),
      ]);
    await requireModel(name, entry, entry.served.source, (source) => this.hashOf(source));
    return entry;
  }

  /** A model's SHA-256; for a user's own file it is computed, once. */
  hashOf(source: ResolvedModel): Promise<string> {
    const hash = this.#hashes.get(source) ?? modelHash(source);
    this.#hashes.set(source, hash);
    return hash;
  }

  /**
   * The savings that a model supports without options and that have an effect with its weight form; empty if its file
   * can no longer be read.
   */
  async savingsOf(model: ServedModel): Promise<readonly string[]> {
    const pending = this.#savings.get(model) ?? bareSavings(model.source).catch(() => []);
    this.#savings.set(model, pending);
    const savings = await pending;
    const acts = (name: string) => {
      const { idle } = savingNamed(name);
      return idle?.(formOfServed(chosenOf(model, []))) === undefined;
    };
    return savings.filter(acts);
  }

  /** A message without this machine's model paths. */
  withoutPaths(sentence: string): string {
    const places = this.list().flatMap(({ id, source, adapters }) => [
      [source.path, id] as const,
      ...adapters.map(({ folder, name }) => [folder, name] as const),
    ]);
    return places.reduce((text, [place, id]) => text.replaceAll(place, id), sentence);
  }
}

/** @throws UserError if two savings conflict */
function chosenOf(model: ServedModel, recipe: Recipe, quant = model.quant): ModelChoice {
  checkSeams(recipe);
  return { served: model, recipe, quant };
}

/** Refuses savings that name a file on this machine. @throws HttpError that says `why` */
export function refusePaths(recipe: Recipe, why: string): void {
  for (const { saving, options } of recipe) {
    const entries = Object.entries(options as Record<string, unknown>);
    const file = entries.find(([key, value]) => value !== undefined && saving.files?.includes(key));
    if (file) throw new HttpError(400, `${saving.name}: ${file[0]} names a file, which ${why}`, { param: "savings" });
  }
}
