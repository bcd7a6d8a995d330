import { z } from "zod";
import { ContextualScorer } from "../pipelines/qzero/contextual.ts";
import { KeptLabels } from "../pipelines/qzero/kept-labels.ts";
import { type LabelsInput, parseLabels } from "../pipelines/qzero/labels.ts";
import { LookupPrices } from "../pipelines/qzero/lookup-prices.ts";
import { checkQZeroOptions, type QZeroInput, qzeroText, type ScorerKind } from "../pipelines/qzero/options.ts";
import { classify, type DocumentSource, type QZeroAnswer } from "../pipelines/qzero/qzero.ts";
import type { CallTerms, Scorer } from "../pipelines/qzero/scorer.ts";
import { StaticScorer } from "../pipelines/qzero/static.ts";
import { UserError } from "../util/errors.ts";
import type { ResolveOptions } from "../weights/sources/index.ts";
import { GLOVE, openGlove } from "../weights/vectors/glove.ts";
import { given, loadOptions, modelName, readOptions, text, texts } from "./arguments.ts";
import { load } from "./load.ts";
import { lookupGiven, lookupIn } from "./lookup.ts";
import type { Model } from "./model.ts";
import { openIndex } from "./open-index.ts";
import type { LoadOptions, ReadOptions } from "./options.ts";
import type { SearchIndex } from "./search-index.ts";

export interface ClassifierOptions extends Omit<LoadOptions, "save" | "adapter" | "adapters"> {
  /** The index whose documents' categories are read; without one, calls bring their own `evidence`. */
  index?: string | undefined;
  /** The index's place: `postgres://user@host/database`; by default a folder in `MODICUM_HOME`. */
  store?: string | undefined;
  /** Options of all calls: `{ mode: "replace" }`. */
  qzero?: QZeroInput | undefined;
}

/** A document of the caller's own search engine. */
export interface EvidenceInput {
  id?: string | undefined;
  title?: string | undefined;
  score?: number | undefined;
  categories: readonly string[];
}

export interface LookupClassifyOptions extends ReadOptions {
  /** Documents for each text, the best first, in place of those of the index. */
  evidence?: readonly (readonly EvidenceInput[])[] | undefined;
  /** Also give what each decision was made of. */
  explain?: boolean | undefined;
  /** Options of this call, besides those of the classifier. */
  qzero?: QZeroInput | undefined;
}

const qzeroInput = z.custom<QZeroInput>((it) => typeof it === "object" && it !== null, "expected options by name");
const classifierOptions = loadOptions.omit({ save: true, adapter: true, adapters: true }).extend({
  index: text.optional(),
  store: z.string("expected an address").optional(),
  qzero: qzeroInput.optional(),
});
export const evidenceDocument = z.object({
  id: z.string("expected a text").default(""),
  title: z.string("expected a text").default(""),
  score: z.number("expected a number").optional(),
  categories: z.array(text, "expected a list of texts"),
});
const evidence = z.array(z.array(evidenceDocument, "expected a list of documents"), "expected documents for each text");
const callOptions = readOptions.extend({
  evidence: evidence.optional(),
  explain: z.boolean("expected true or false").optional(),
  qzero: qzeroInput.optional(),
});

/**
 * Opens a classifier for any labels that looks texts up: `glove` for word vectors, or a MODEL of embeddings, with the
 * index whose categories it reads. What is missing is downloaded.
 * @throws UserError
 */
export async function openClassifier(model: string, options: ClassifierOptions = {}): Promise<ClassifyPipeline> {
  const asked = given("openClassifier's options", classifierOptions, options);
  const { index: name, store, qzero = {}, quant, ...loading } = asked;
  const named = given("openClassifier's model", modelName, model);
  checkQZeroOptions(qzero, kindOf(named));
  const index = name === undefined ? undefined : await openIndex(name, { ...resolving(loading), store });
  try {
    const opened = await openScorer(named, { ...loading, ...(quant && { quant }) });
    return new ClassifyPipeline(named, opened, index, qzero, loading.onNotice);
  } catch (error) {
    await index?.close();
    throw error;
  }
}

const kindOf = (name: string): ScorerKind => (name === GLOVE ? "words" : "encoder");

const resolving = ({ threads: _, ...rest }: LoadOptions): ResolveOptions => rest;

interface Opened {
  readonly scorer: Scorer;
  readonly model?: Model;
}

/** @throws UserError for a model that does not embed */
async function openScorer(name: string, options: LoadOptions): Promise<Opened> {
  if (kindOf(name) === "words") {
    const started = performance.now();
    const vectors = await openGlove(resolving(options));
    return { scorer: new StaticScorer(GLOVE, vectors, performance.now() - started) };
  }
  const model = await load(name, options);
  try {
    if (model.encoder.classifier) throw new UserError(`${name} is a classifier, expected a model of embeddings`, 2);
    return { scorer: new ContextualScorer((use) => use(model)), model };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** A model that classifies by any labels, and the index that it looks texts up in. Close it to free both. */
export class ClassifyPipeline implements AsyncDisposable {
  readonly kind = "classify";
  readonly #scorer: Scorer;
  readonly #prices = new LookupPrices();
  #noticed = false;

  constructor(
    readonly name: string,
    private readonly opened: Opened,
    readonly index: SearchIndex | undefined,
    private readonly usual: QZeroInput,
    private readonly onNotice?: LoadOptions["onNotice"],
  ) {
    this.#scorer = new KeptLabels(opened.scorer);
  }

  /**
   * Classifies texts. Labels are texts, or label words by label, of which the closest one counts.
   * @throws UserError for labels that are empty or given twice, an empty text, or an empty index
   */
  async classify(
    all: readonly string[],
    labels: LabelsInput,
    options: LookupClassifyOptions = {},
  ): Promise<QZeroAnswer> {
    const { evidence, explain = false, qzero = {}, ...terms } = given("classify's options", callOptions, options);
    const asked = { ...this.usual, ...qzero };
    const inputs = given("classify's texts", texts, all);
    return classify(this.#scorer, inputs, parseLabels(labels), asked, {
      ...(terms as CallTerms),
      explain,
      onNotice: (notice) => this.#notice(notice),
      prices: this.#prices,
      named: { model: this.name, recipe: [qzeroText(asked)] },
      source: evidence ? lookupGiven(inputs, evidence) : await this.#search(inputs),
    });
  }

  #notice(notice: string): void {
    if (!this.#noticed) this.onNotice?.(notice);
    this.#noticed = true;
  }

  #search(inputs: readonly string[]): Promise<DocumentSource> {
    const { index } = this;
    if (!index) throw new UserError("there is no index to look texts up in; expected one, or evidence", 2);
    return lookupIn(index, inputs, (query, asked, terms) => index.search(query, { ...asked, ...terms }));
  }

  async dispose(): Promise<void> {
    this.opened.model?.dispose();
    await this.index?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
