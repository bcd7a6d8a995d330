import { z } from "zod";
import type { LabelResources, Reader, ReadTerms } from "../pipelines/labelling.ts";
import { QZeroClassifier, requireEmbeddings } from "../pipelines/qzero/classifier.ts";
import { evidenceDocument } from "../pipelines/qzero/documents.ts";
import type { LabelsInput } from "../pipelines/qzero/labels.ts";
import { checkQZeroOptions, type QZeroInput } from "../pipelines/qzero/options.ts";
import type { QZeroAnswer } from "../pipelines/qzero/qzero.ts";
import { newMemo } from "../util/memo.ts";
import type { ResolveOptions } from "../weights/sources/index.ts";
import { GLOVE, openGlove } from "../weights/vectors/glove.ts";
import { checkArgument, loadOptions, modelName, readOptions, text, texts } from "./arguments.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import { openIndex } from "./open-index.ts";
import type { LoadOptions, ReadOptions } from "./options.ts";
import type { SearchIndex } from "./search-index.ts";

export interface ClassifierOptions extends Omit<LoadOptions, "save" | "adapter" | "adapters"> {
  /** The index whose documents' categories are read; without one, calls pass their own `evidence`. */
  index?: string | undefined;
  /** The index's location: `postgres://user@host/database`; by default a folder in `MODICUM_HOME`. */
  store?: string | undefined;
  /** Options for all calls, such as `{ mode: "replace" }`. */
  qzero?: QZeroInput | undefined;
}

/** A document from the caller's own search engine. */
export type EvidenceInput = z.input<typeof evidenceDocument>;

export interface LookupClassifyOptions extends ReadOptions {
  /** Documents for each text, the best first, instead of documents from the index. */
  evidence?: readonly (readonly EvidenceInput[])[] | undefined;
  /** If true, also returns the parts of each decision. */
  explain?: boolean | undefined;
  /** Options of this call, which override the classifier's options. */
  qzero?: QZeroInput | undefined;
}

const qzeroInput = z.custom<QZeroInput>((it) => typeof it === "object" && it !== null, "expected options by name");
const classifierOptions = loadOptions.omit({ save: true, adapter: true, adapters: true }).extend({
  index: text.optional(),
  store: z.string("expected an address").optional(),
  qzero: qzeroInput.optional(),
});
const evidence = z.array(z.array(evidenceDocument, "expected a list of documents"), "expected documents for each text");
const callOptions = readOptions.extend({
  evidence: evidence.optional(),
  explain: z.boolean("expected true or false").optional(),
  qzero: qzeroInput.optional(),
});

/**
 * Opens a classifier for any labels, which reads the categories of documents found in an index. `model` is `glove`, for
 * word vectors, or an embedding MODEL. Missing files are downloaded.
 * @throws UserError
 */
export async function openClassifier(model: string, options: ClassifierOptions = {}): Promise<ClassifyPipeline> {
  const settings = checkArgument("openClassifier's options", classifierOptions, options);
  const { index: searched, store, qzero = {}, quant, ...loading } = settings;
  const name = checkArgument("openClassifier's model", modelName, model);
  checkQZeroOptions(qzero, name === GLOVE ? "words" : "encoder");
  const index = searched === undefined ? undefined : await openIndex(searched, { ...resolving(loading), store });
  try {
    const encoder = name === GLOVE ? undefined : await openEncoder(name, { ...loading, ...(quant && { quant }) });
    const reader: Reader = encoder ? { kind: "encoder", use: (work) => work(encoder) } : await openWords(loading);
    const notice = (sentence: string) => loading.onNotice?.(sentence);
    return new ClassifyPipeline({ name, reader, index, notice }, qzero, encoder);
  } catch (error) {
    await index?.close();
    throw error;
  }
}

const resolving = ({ threads: _, ...rest }: LoadOptions): ResolveOptions => rest;

/** @throws UserError for a model that does not embed */
async function openEncoder(name: string, options: LoadOptions): Promise<Model> {
  const model = await load(name, options);
  try {
    requireEmbeddings(name, model);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function openWords(options: LoadOptions): Promise<Reader> {
  const started = performance.now();
  const vectors = await openGlove(resolving(options));
  return { kind: "words", vectors, ms: performance.now() - started };
}

/** A model that classifies texts by any labels, with its index. Close it to free both. */
export class ClassifyPipeline implements AsyncDisposable {
  readonly kind = "classify";
  readonly name: string;
  readonly index: SearchIndex | undefined;
  readonly #classifier: QZeroClassifier;

  constructor(
    resources: Omit<LabelResources, "memo"> & { readonly index: SearchIndex | undefined },
    private readonly usual: QZeroInput,
    private readonly model?: Model,
  ) {
    ({ name: this.name, index: this.index } = resources);
    this.#classifier = new QZeroClassifier({ ...resources, memo: newMemo() });
  }

  /**
   * Classifies texts. `labels` is a list, or an object with words for each label, of which the closest word counts.
   * @throws UserError for empty or repeated labels, an empty text, or an empty index
   */
  async classify(
    all: readonly string[],
    labels: LabelsInput,
    options: LookupClassifyOptions = {},
  ): Promise<QZeroAnswer> {
    const { evidence, explain = false, qzero, ...terms } = checkArgument("classify's options", callOptions, options);
    const inputs = checkArgument("classify's texts", texts, all);
    const request = { labels, qzero: { ...this.usual, ...qzero }, evidence, explain };
    return this.#classifier.classify(inputs, request, terms as ReadTerms);
  }

  async dispose(): Promise<void> {
    this.model?.dispose();
    await this.index?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
