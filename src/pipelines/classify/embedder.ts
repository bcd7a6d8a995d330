import { z } from "zod";
import { type Answers, EncoderModel, type ReadTerms } from "../../engine/encoders/text/encoder-model.ts";
import { WordMeans } from "../../engine/encoders/text/word-means.ts";
import type { Spent } from "../../graph/index.ts";
import { UserError } from "../../util/errors.ts";
import { checkModel, modelHash, type ResolveOptions, resolveModel } from "../../weights/sources/index.ts";
import { GLOVE, openGlove } from "../../weights/vectors/glove.ts";

/** Everything that a text's vector depends on. */
export const embedderIdentity = z.strictObject({
  /** `glove`, a MODEL, or `MODEL@layers=N`. */
  name: z.string().min(1),
  /** Hex SHA-256 of the weights. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits"),
});
export type EmbedderIdentity = z.output<typeof embedderIdentity>;

/** Turns texts into vectors, for training or running a head. */
export interface Embedder extends Disposable {
  readonly identity: EmbedderIdentity;
  /** The width of a vector. */
  readonly width: number;
  embed(texts: readonly string[], terms?: ReadTerms): Promise<Answers<Float32Array>>;
  /** Estimates the cost of embedding these texts, without running the model. */
  price(texts: readonly string[]): Spent;
}

/**
 * Opens an embedder: `glove` (the mean of a text's word vectors), an embedding MODEL (`minilm`), or such a MODEL's
 * first layers (`minilm@layers=2`). Downloads it if it is missing.
 * @throws UserError for an unknown name, or a model that does not embed
 */
export async function openEmbedder(name: string, options: ResolveOptions = {}): Promise<Embedder> {
  if (name === GLOVE) return wordMeans(options);
  const { model, layers } = partsOf(name);
  const source = await resolveModel(model, options);
  const encoder = await EncoderModel.load(source, "auto", undefined, layers);
  try {
    if (encoder.classifier) throw new UserError(`${name} is a classifier; expected an embedding model`);
    const identity = { name, sha256: await modelHash(source) };
    return Object.assign(facade(encoder), { identity, width: encoder.width });
  } catch (error) {
    encoder[Symbol.dispose]();
    throw error;
  }
}

/** Checks a name without fetching. @throws UserError if an embedder's name is unknown */
export async function checkEmbedder(name: string): Promise<void> {
  if (name !== GLOVE) await checkModel(partsOf(name).model);
}

function partsOf(name: string): { model: string; layers: number | undefined } {
  const [, model, layers] = /^(.*?)(?:@layers=(\d+))?$/s.exec(name)!;
  return { model: model!, layers: layers === undefined ? undefined : Number(layers) };
}

async function wordMeans(options: ResolveOptions): Promise<Embedder> {
  const vectors = await openGlove(options);
  const means = new WordMeans(vectors);
  const identity = { name: GLOVE, sha256: vectors.sha256 };
  return Object.assign(facade({ embed: means.embed.bind(means), price: means.price.bind(means) }), {
    ...{ identity, width: means.width },
  });
}

const facade = (of: Pick<Embedder, "embed" | "price"> & Partial<Disposable>) => ({
  embed: (texts: readonly string[], terms?: ReadTerms) => of.embed(texts, terms),
  price: (texts: readonly string[]) => of.price(texts),
  [Symbol.dispose]: () => of[Symbol.dispose]?.(),
});
