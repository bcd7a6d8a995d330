import { few, UserError } from "../util/errors.ts";
import type { Checkpoint, ConfigSource } from "../weights/checkpoint.ts";
import { Metadata } from "../weights/gguf/metadata.ts";
import type { Names } from "../weights/prepared/names.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import type { EncoderArchitecture, Entry } from "./architecture.ts";
import { CountedWeights } from "./decoder/count-parameters.ts";
import type { Architecture } from "./decoder/decoder.ts";
import { traceHidden } from "./encoder/encoder-graphs.ts";
import { traceDense } from "./programs/segments.ts";

/** The smallest fraction of tensor kinds that a checkpoint and a near architecture share, among all kinds in either. */
const NEAR = 0.5;

/** The architecture preferred among equals, because others are described as variants of it. */
const USUAL = "llama";

interface Candidate {
  readonly names: readonly string[];
  tensors(checkpoint: Checkpoint): Names;
  trace(weights: WeightSource): unknown;
}

/** A known architecture compared with a checkpoint of an unknown one. */
interface Comparison {
  readonly name: string;
  /** Kinds of tensors, by the checkpoint's names: the kinds that the architecture reads, ignores and lacks. */
  readonly shared: readonly string[];
  readonly extra: readonly string[];
  readonly missing: readonly string[];
  /** The number of configuration values that the architecture reads. */
  readonly fields: number;
}

/** Finds the known architecture nearest to a checkpoint, and the differences; undefined if none is near. */
export async function nearestArchitecture(
  checkpoint: Checkpoint,
  decoders: readonly Entry<Architecture>[],
  encoders: readonly Entry<EncoderArchitecture>[],
): Promise<string | undefined> {
  const candidates = await Promise.all([
    ...decoders.map(({ names, load }) => candidate(names, load, (architecture, w) => traceDense(architecture.open(w)))),
    ...encoders.map(({ names, load }) =>
      candidate(names, load, (architecture, w) => traceHidden(architecture.open(w))),
    ),
  ]);
  if (checkpoint.tensors.size === 0) return byConfiguration(checkpoint, candidates);
  const near = candidates
    .flatMap((one) => compared(checkpoint, one) ?? [])
    .filter((found) => similarity(found) >= NEAR)
    .sort(byNearness);
  return near[0] && sentence(near[0]);
}

/**
 * The minimum number of values read for an architecture to count as near: one size each for the stream, layers, heads,
 * feed-forward and vocabulary.
 */
const LEAST_FIELDS = 5;

/** For a configuration without weights, finds the architecture that reads the most of its values. */
function byConfiguration(checkpoint: Checkpoint, candidates: readonly Candidate[]): string | undefined {
  const [near] = candidates
    .flatMap((one) => comparedBy(kindOf, checkpoint, one) ?? [])
    .filter(({ fields }) => fields >= LEAST_FIELDS)
    .sort((a, b) => b.fields - a.fields || Number(b.name === USUAL) - Number(a.name === USUAL));
  return near && `the nearest supported architecture, judged only by the configuration, is "${near.name}"`;
}

async function candidate<A extends Pick<Candidate, "tensors">>(
  names: readonly string[],
  load: () => Promise<A>,
  trace: (architecture: A, weights: WeightSource) => unknown,
): Promise<Candidate> {
  const architecture = await load();
  return { names, tensors: architecture.tensors, trace: (weights) => trace(architecture, weights) };
}

/** Reduces a tensor's name to the part that is compared. */
type Key = (name: string) => string;

/** Replaces layer and expert numbers with `*`. */
const kindOf: Key = (name) => name.replace(/(?<=\.)\d+(?=\.)/g, "*");

/** Like `kindOf`, but also drops the model's own name before the layers, such as `electra.encoder.`. */
const withoutPrefix: Key = (name) => {
  const kind = kindOf(name);
  return /[^.]+\.\*\..*$/.exec(kind)?.[0] ?? kind.split(".").slice(-2).join(".");
};

/** Compares a checkpoint with an architecture; undefined if its configuration is unreadable or no tensor fits. */
const compared = (checkpoint: Checkpoint, one: Candidate): Comparison | undefined =>
  comparedBy(kindOf, checkpoint, one) ?? comparedBy(withoutPrefix, checkpoint, one);

/** Compares tensors by tracing the architecture's model with the checkpoint's configuration. */
function comparedBy(key: Key, whole: Checkpoint, { names, tensors, trace }: Candidate): Comparison | undefined {
  const { config, read } = recorded(whole, names[0]!);
  const own = new Map([...whole.tensors.keys()].map((name) => [key(name), kindOf(name)]));
  const others = new Map<string, string>();
  try {
    const stored = tensors({ ...whole, config });
    const nameOf = (canonical: string) => {
      const entry = stored(canonical);
      return typeof entry === "string" ? entry : entry.name;
    };
    const weights = new CountedWeights(config, (canonical) => own.has(key(nameOf(canonical))));
    trace(weights);
    for (const name of [...weights.shapes.keys()].map(nameOf)) others.set(key(name), kindOf(name));
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
  const pick = (kinds: ReadonlyMap<string, string>, has: (of: string) => boolean) =>
    [...kinds].filter(([of]) => has(of)).map(([, kind]) => kind);
  const shared = pick(own, (of) => others.has(of));
  if (own.size > 0 && shared.length === 0) return undefined;
  return {
    name: names.at(config.kind === "gguf" ? 0 : -1)!,
    shared,
    extra: pick(own, (of) => !others.has(of)),
    missing: pick(others, (of) => !own.has(of)),
    fields: read.size,
  };
}

const similarity = ({ shared, extra, missing }: Comparison): number =>
  shared.length / (shared.length + extra.length + missing.length);

const byNearness = (a: Comparison, b: Comparison): number =>
  similarity(b) - similarity(a) || b.fields - a.fields || Number(b.name === USUAL) - Number(a.name === USUAL);

function sentence({ name, shared, extra, missing }: Comparison): string {
  const kinds = shared.length + extra.length;
  const share = extra.length === 0 ? `all ${kinds}` : `${shared.length} of the ${kinds}`;
  const without = extra.length === 0 ? "" : `, not ${few(extra)}`;
  const needs = missing.length === 0 ? "" : `, and needs ${few(missing)}`;
  return `the nearest supported architecture, "${name}", reads ${share} kinds of its tensors${without}${needs}`;
}

/** A checkpoint's configuration under a known architecture's name, with a record of the keys read. */
function recorded({ config, architecture }: Checkpoint, name: string): { config: ConfigSource; read: Set<string> } {
  const read = new Set<string>();
  if (config.kind === "gguf") {
    const metadata = new ReadMetadata(config.path, read);
    for (const [key, value] of config.metadata)
      metadata.set(key.startsWith(`${architecture}.`) ? name + key.slice(architecture.length) : key, value);
    return { config: { ...config, metadata }, read };
  }
  const values = new Proxy(config.config, {
    get(target, key) {
      if (typeof key === "string" && Object.hasOwn(target, key)) read.add(key);
      return Reflect.get(target, key);
    },
  });
  return { config: { ...config, config: values }, read };
}

/** Metadata that records which keys are read. */
class ReadMetadata extends Metadata {
  constructor(
    path: string,
    private readonly keysRead: Set<string>,
  ) {
    super(path);
  }

  override get(key: string) {
    if (this.has(key)) this.keysRead.add(key);
    return super.get(key);
  }
}
