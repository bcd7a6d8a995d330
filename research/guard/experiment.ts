import path from "node:path";
import type { TrainingReceipt } from "../../src/index.ts";
import { type FreezeMask, maskOf, ratiosOf, writeMask } from "../../src/train/freeze/mask-file.ts";
import { tensorsIn } from "../../src/train/freeze/tensors.ts";
import { frozenOf, meanError, shareStages } from "../../src/train/methods/guard/learn.ts";
import { type GuardOptions, guardOptions } from "../../src/train/methods/guard/options.ts";
import { type ClassedImage, noisyBatches } from "../../src/train/methods/noise/batches.ts";
import { type DrawingSubject, newDrawing, oldDrawing } from "../../src/train/methods/noise/subject.ts";
import { trainOptions } from "../../src/train/options.ts";
import { TrainingRun } from "../../src/train/session/run.ts";
import { bare } from "../../src/train/subject/subject.ts";
import type { Checkpoint } from "../../src/weights/checkpoint.ts";
import { finish } from "../common/finish.ts";
import { Done } from "./done.ts";
import type { Drawing } from "./drawings/shapes.ts";
import { inverse, randomByParameters, randomByTensors, type Sized } from "./masks.ts";
import { adaptation, type MaskScore, type Saved } from "./score.ts";
import type { World } from "./world.ts";

/** The number of random masks that match the learned one's parameters, and only its number of tensors. */
const RANDOM = { parameters: 3, tensors: 1 };
const BATCH = 16;
/** Rates of AdamW. */
const RATES = { published: 2e-3, user: 5e-4 };

/** Steps of each training: of the published model, of the relearning before a mask, of the mask, and of a user. */
export interface Steps {
  readonly published: number;
  readonly relearned: number;
  readonly mask: number;
  readonly user: number;
}
export const usualSteps: Steps = { published: 2000, relearned: 300, mask: 500, user: 300 };

/** One seed of a world. */
export interface ExperimentTerms {
  readonly seed: number;
  /** The folder for masks, fine-tuned models, and finished parts. */
  readonly folder: string;
  readonly steps: Steps;
  /** The share of tensors to freeze; if set, only the learned masks and those matched by parameters are run. */
  readonly ratio?: number | undefined;
}

/** A set of drawings as a network reads them. */
const asImages = (drawings: readonly Drawing[], { model }: DrawingSubject): ClassedImage[] =>
  drawings.map(({ label, bytes }) => ({
    pixels: Float32Array.from(bytes, (byte) => byte / 127.5 - 1),
    row: model.labels.indexOf(label),
  }));

interface UserTerms {
  readonly steps: number;
  readonly lr: number;
  readonly seed: number;
  readonly schedule: "constant" | "cosine";
  readonly freezeMask?: string | undefined;
}

/** Trains a subject on images; the run owns the subject. */
async function trained(
  subject: DrawingSubject,
  images: readonly ClassedImage[],
  { schedule, ...terms }: UserTerms,
): Promise<TrainingRun> {
  const { noise } = subject;
  const { unconditional } = subject.model;
  const { lr, seed, steps, freezeMask } = terms;
  const training = noisyBatches(images, { size: BATCH, noise, unconditional, seed });
  const options = trainOptions.parse({
    ...{ data: ["drawings"], batch: BATCH, steps, seed, freezeMask },
    optimizer: { lr, weightDecay: 0, beta2: 0.999 },
    schedule: { name: schedule },
  });
  const run = await TrainingRun.open(options, subject, { training, heldOut: undefined, hash: "" });
  while (!run.ended) await run.step();
  return run;
}

/** Trains the model of a world that is to be published, and writes it. */
export async function publish(world: World, folder: string, seed: number, { published }: Steps): Promise<void> {
  const named = bare({ model_type: "UNet2DModel" });
  const checkpoint: Checkpoint = {
    ...named,
    config: { kind: "huggingface", path: "architecture", config: world.architecture },
  };
  const subject = newDrawing(checkpoint, { train: [], freezeMask: undefined }, seed);
  const images = asImages(world.published(), subject);
  const terms = { steps: published, lr: RATES.published, seed, schedule: "cosine" } as const;
  using _run = await trained(subject, images, terms);
  await subject.write(folder);
}

/** The two sides of an experiment, by label. */
export interface Role {
  readonly illegal: string;
  readonly innocent: string;
}

export interface RoleResult {
  readonly role: Role;
  /** Mean errors on held-out images of the published and the fully fine-tuned model. */
  readonly errors: Readonly<
    Record<"illegal" | "innocent", { readonly published: number; readonly fullyTuned: number }>
  >;
  readonly gaps: { readonly illegal: number; readonly innocent: number };
  /** m's mean, and the share of tensors whose m is not between 0.1 and 0.9. */
  readonly soft: { readonly ratio: number; readonly decided: number };
  readonly masks: readonly MaskScore[];
}

function savedBy({ flops, work }: TrainingReceipt): Saved {
  const { dense, run } = work?.["trainingBytes"] ?? { dense: 1, run: 1 };
  return { flops: flops.saved, bytes: 1 - run / dense };
}

/** Errors of a model on held-out images of each new class. */
type ByLabel = Readonly<Record<string, number>>;

interface UserResult {
  readonly errors: ByLabel;
  readonly saved: Saved;
}

/** One seed of a world: a user without a mask, and both roles under all masks. Finished parts are skipped. */
export class Experiment {
  readonly #done: Done;

  constructor(
    private readonly world: World,
    private readonly checkpoint: Checkpoint,
    private readonly terms: ExperimentTerms,
  ) {
    this.#done = Done.in(terms.folder);
  }

  async run(onDone: (what: string) => void): Promise<RoleResult[]> {
    const [a, b] = this.world.fresh;
    const published = await this.#errorsOf(this.#open());
    const { errors: full } = await this.#user(undefined, "full");
    onDone("full");
    const results = [];
    for (const role of [
      { illegal: a, innocent: b },
      { illegal: b, innocent: a },
    ])
      results.push(await this.#role(role, published, full, onDone));
    return results;
  }

  async #role(role: Role, published: ByLabel, full: ByLabel, onDone: (what: string) => void): Promise<RoleResult> {
    const options = this.#options(role);
    const learned = await this.#done.once(`${role.illegal}: mask`, () => this.#learn(role, options));
    const { gaps } = learned;
    const shares = new Map(learned.shares);
    onDone(`${role.illegal}: mask`);
    const masks = this.#masks(shares, options);
    const scores: MaskScore[] = [];
    for (const [mask, frozen] of Object.entries(masks)) {
      scores.push(await this.#score(role, mask, frozen, published, full));
      onDone(`${role.illegal}: ${mask}`);
    }
    const values = [...shares.values()];
    const side = (label: string) => ({ published: published[label]!, fullyTuned: full[label]! });
    return {
      ...{ role, gaps, masks: scores },
      errors: { illegal: side(role.illegal), innocent: side(role.innocent) },
      soft: {
        ratio: values.reduce((a, b) => a + b, 0) / values.length,
        decided: values.filter((m) => Math.abs(m - 0.5) > 0.4).length / values.length,
      },
    };
  }

  #options({ illegal, innocent }: Role): GuardOptions {
    const { seed, steps, ratio } = this.terms;
    return guardOptions.parse({
      ...{ model: this.world.name, illegal, innocent, seed, batch: BATCH },
      ...{ relearnSteps: steps.relearned, steps: steps.mask, freezeRatio: ratio },
    });
  }

  async #learn({ illegal, innocent }: Role, options: GuardOptions) {
    using subject = this.#open();
    const side = (label: string) => asImages(this.world.drawings(label, "publisher", this.terms.seed), subject);
    const sides = { illegal: side(illegal), innocent: side(innocent) };
    const { shares, gaps } = await finish(shareStages(this.checkpoint, sides, options, { hash: "" }));
    return { shares: [...shares], gaps };
  }

  /** The learned mask and its controls, by name. */
  #masks(shares: ReadonlyMap<string, number>, options: GuardOptions): Record<string, ReadonlySet<string>> {
    const tensors = this.#sizes();
    const learned = frozenOf(shares, options);
    const parameters = tensors.filter(({ name }) => learned.has(name)).reduce((sum, { size }) => sum + size, 0);
    const named = (kind: keyof typeof RANDOM, make: (seed: number) => Set<string>) => {
      const seeds = Array.from({ length: RANDOM[kind] }, (_, i) => 1000 * (this.terms.seed + 1) + i);
      return Object.fromEntries(seeds.map((seed, i) => [`random by ${kind} ${i + 1}`, make(seed)]));
    };
    const matched = named("parameters", (seed) => randomByParameters(tensors, learned.size, parameters, seed));
    if (this.terms.ratio !== undefined) return { learned, ...matched };
    return {
      ...{ learned, ...matched },
      ...named("tensors", (seed) => randomByTensors(tensors, learned.size, seed)),
      inverse: inverse(shares, learned.size),
    };
  }

  #sizes(): Sized[] {
    using subject = this.#open();
    return subject.store.parameters.map(({ name, shape }) => ({ name, size: shape.reduce((a, b) => a * b, 1) }));
  }

  async #score(
    { illegal, innocent }: Role,
    mask: string,
    frozen: ReadonlySet<string>,
    published: ByLabel,
    full: ByLabel,
  ): Promise<MaskScore> {
    const file = this.#maskOf(frozen);
    const { errors: tuned, saved } = await this.#user(file, `${illegal} ${mask}`);
    const of = (label: string) =>
      adaptation({ published: published[label]!, fullyTuned: full[label]!, tuned: tuned[label]! });
    const [bad, good] = [of(illegal), of(innocent)];
    const { tensors, parameters } = ratiosOf(file);
    return { mask, tensors, parameters, illegal: bad, innocent: good, selectivity: good - bad, saved };
  }

  #maskOf(frozen: ReadonlySet<string>): FreezeMask {
    using subject = this.#open();
    return maskOf(this.world.name, tensorsIn(subject.store), (name) => frozen.has(name));
  }

  /** A user fine-tunes on both new classes, under a mask if there is one. */
  #user(mask: FreezeMask | undefined, name: string): Promise<UserResult> {
    return this.#done.once(name, () => this.#tuned(mask, name));
  }

  async #tuned(mask: FreezeMask | undefined, name: string): Promise<UserResult> {
    const { folder, seed, steps, ratio } = this.terms;
    const file = path.join(folder, "mask.json");
    if (mask) await writeMask(file, mask);
    const subject = oldDrawing(this.checkpoint, { train: [], freezeMask: mask && file });
    const images = this.world.fresh.flatMap((label) => asImages(this.world.drawings(label, "user", seed), subject));
    const terms = { steps: steps.user, lr: RATES.user, seed, schedule: "constant", freezeMask: mask && file } as const;
    using run = await trained(subject, images, terms);
    const shown = ratio === undefined && !/ [23]$|tensors|inverse/.test(name);
    if (shown) await subject.write(path.join(folder, name.replaceAll(" ", "-")));
    return { errors: await this.#errors(subject), saved: savedBy(run.receipt("")) };
  }

  async #errorsOf(subject: DrawingSubject): Promise<ByLabel> {
    using owned = subject;
    return await this.#errors(owned);
  }

  async #errors(subject: DrawingSubject): Promise<ByLabel> {
    using passes = await subject.openPasses();
    const found: Record<string, number> = {};
    for (const label of this.world.fresh) {
      const images = asImages(this.world.drawings(label, "test", this.terms.seed), subject);
      found[label] = await meanError(passes, subject, images, BATCH);
    }
    return found;
  }

  #open(): DrawingSubject {
    return oldDrawing(this.checkpoint, { train: [], freezeMask: undefined });
  }
}
