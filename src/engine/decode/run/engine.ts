import type { ByteForm } from "../../../graph/index.ts";
import type { Decoder } from "../../../models/decoder/decoder.ts";
import { DecoderPrograms } from "../../../models/programs/programs.ts";
import { runApart } from "../../../models/programs/segments.ts";
import type { OpenDecoder } from "../../../models/registry.ts";
import { fitsDevice } from "../../../models/state/device-rows.ts";
import { hasWindows } from "../../../models/state/window-start.ts";
import type { Device } from "../../../runtime/device.ts";
import type { SharedWeights } from "../../../runtime/shared-weights.ts";
import { type Drafter, densePlan, type LastStream, type Plan } from "../../../savings/plan.ts";
import { UserError } from "../../../util/errors.ts";
import type { Weights } from "../../../weights/prepared/weights.ts";
import type { Meter } from "../../bill/meter.ts";
import type { PromptScores } from "../answer/prompt-scores.ts";
import type { DiskPrefixes } from "../state/disk-prefixes.ts";
import type { Slot } from "../state/slot.ts";
import { Slots } from "../state/slots.ts";
import { chunkAfter } from "./chunk.ts";
import { DecodeStep } from "./decode-step.ts";
import { computedBy } from "./fills.ts";
import { bordersOf, PromptRun, type Run, type RunTerms } from "./prompt-run.ts";
import { decidesSteps, type Outcome, planOf, type Step, tokenLogits } from "./stepped.ts";

/** The number of a prompt's last tokens whose residual stream a drafter reads. */
const READ_BY_DRAFTER = 64;

/** A model's weights, programs and rows, shared by all requests and plans. Runs prompt chunks and decode steps. */
export class Engine implements Disposable {
  readonly slots: Slots;
  /** Prompt chunks on disk, if the server stores any. */
  prefixes: DiskPrefixes | undefined;
  readonly #onDevice: boolean;
  #disposed = false;

  private constructor(readonly programs: DecoderPrograms) {
    this.slots = new Slots(programs);
    this.#onDevice = programs.device !== "cpu" && fitsDevice(programs.decoder.config);
  }

  /** `shared`: weights shared with other engines; `openBytes` opens the decoder with byte weights. */
  static async create(
    decoder: Decoder,
    weights: Weights,
    shared?: SharedWeights,
    device: Device = "cpu",
    openBytes?: (form: ByteForm) => OpenDecoder,
  ): Promise<Engine> {
    return new Engine(await DecoderPrograms.compile(decoder, weights, shared, device, openBytes));
  }

  /** Compiles a plan's programs beyond the dense ones, once. */
  async prepare(plan: Plan): Promise<void> {
    await this.programs.prepareCuts(bordersOf(plan));
    await this.programs.prepareCuts(cutsOf(plan));
    if (plan.bytes) await this.programs.prepareBytes(plan.bytes, [...bordersOf(plan), ...cutsOf(plan)]);
    for (const cut of plan.cuts) {
      if (cut.scope !== "step") continue;
      if (cut.probe) await this.programs.probe(cut.probe);
      if (cut.head) await this.programs.exitHead(cut.head);
      const filled = cut.fill && computedBy(cut.fill);
      if (filled) await this.programs.fills(cut.after, filled);
    }
    const verified = plan.cuts.filter((cut) => cut.scope === "step" && cut.fill === "verify");
    await this.#prepareChecks(verified.map(({ after }) => after));
    if (plan.drafter) await this.#prepareDrafts(plan.drafter, plan.cuts.length > 0);
  }

  /** Compiles programs that check drafts, in pieces if layers are divided or a window may move within a draft. */
  async #prepareDrafts({ lengths }: Drafter, divided: boolean): Promise<void> {
    const { decoder } = this.programs;
    const whole = !divided && runApart(decoder);
    if (whole) await this.programs.prepareApart(lengths.map((length) => length + 1));
    if (!whole || hasWindows(decoder.config)) await this.#prepareChecks([0]);
  }

  /** Compiles the pieces around attention that check drafts waiting after these depths, in ascending order. */
  async #prepareChecks(after: readonly number[]): Promise<void> {
    const { layers } = this.programs.decoder.config;
    for (let layer = after[0] ?? layers; layer < layers; layer++) {
      await (after.includes(layer) ? this.programs.before(layer) : this.programs.between(layer));
      await this.programs.attention(layer);
      if (after.includes(layer + 1)) await this.programs.after(layer);
    }
  }

  /**
   * A free slot for a sequence with a plan. It holds the longest prefix of `prompt`, without its last token, that a
   * cache has from an equivalent plan; if `exact`, only whole chunks of dense prompts, bit-equal to a fresh run's.
   */
  acquire(prompt: readonly number[], plan: Plan = densePlan, exact = false): Slot {
    this.#check();
    const slot = this.#take(prompt, plan.state.prompt, plan);
    if (exact) slot.truncate(slot.chunksOf(prompt));
    return this.#begin(slot, prompt, plan);
  }

  /** Like `acquire`, but the slot is empty. */
  acquireEmpty(prompt: readonly number[] = [], plan: Plan = densePlan): Slot {
    this.#check();
    return this.#begin(this.#take([], "", plan), prompt, plan);
  }

  /**
   * A free slot for a prompt that must have the results and the bill of a fresh engine. Its cached tokens are bit-equal
   * to what the prompt would compute, and are billed. Cached tokens that no prompt can reuse are dropped.
   */
  acquireAlone(prompt: readonly number[], meter: Meter, plan: Plan = densePlan): Slot {
    this.#check();
    const shares = plan.state.prompt === "" && this.slots.reusable(prompt, "") >= chunkAfter(this.programs, 0);
    if (!shares) this.forget();
    const slot = this.#take(shares ? prompt : [], "", plan);
    slot.truncate(slot.chunksOf(prompt));
    for (let past = 0; past < slot.tokens.length; past += chunkAfter(this.programs, past))
      meter.spare(chunkAfter(this.programs, past), past);
    return this.#begin(slot, prompt, plan);
  }

  /** Savings read keys and values on the host, so only dense requests may keep them on the device. */
  #take(prompt: readonly number[], key: string | undefined, plan: Plan): Slot {
    return this.slots.take(prompt, key, cutsOf(plan), this.#onDevice && plan === densePlan);
  }

  /** Prepares a row for a plan: divides layers at its cuts, and offers other rows only tokens that they may reuse. */
  #begin(slot: Slot, prompt: readonly number[], { cuts, state }: Plan): Slot {
    for (const { after } of cuts) slot.split(after);
    if (state.prompt === undefined) slot.offerOnly(0);
    if (state.answer === undefined) slot.offerOnly(prompt.length);
    return slot;
  }

  /** Prepares a used slot for another prompt. The common prefix is kept if both plans leave the same state. */
  restart(slot: Slot, prompt: readonly number[], plan: Plan): void {
    if (slot.onDevice && plan !== densePlan)
      throw new UserError("a saving that acts on only some of the texts does not run on webgpu");
    slot.settle();
    slot.truncate(slot.reusable(prompt, plan.state.prompt));
    this.#begin(slot, prompt, plan);
  }

  release(slot: Slot): void {
    this.slots.release(slot);
    if (this.#disposed) this.#free();
  }

  /** Empties the free slots, so the next request has the results and the bill of a fresh engine. */
  forget(): void {
    this.slots.forget();
  }

  #check(): void {
    if (this.#disposed) throw new UserError("a model was used after it was disposed");
  }

  /** Runs the part of `prompt` that the slot's cache lacks; returns the logits after its last token. */
  async prefill(slot: Slot, prompt: readonly number[], meter: Meter, plan: Plan = densePlan): Promise<Float32Array> {
    for await (const logits of this.chunks(slot, prompt, { meter, plan })) if (logits) return logits;
    throw new Error("the prompt to prefill is already in the cache");
  }

  /** Like `prefill`, one chunk at a time. Only the last chunk returns logits. `scores` reads every chunk. */
  async *chunks(
    slot: Slot,
    prompt: readonly number[],
    terms: RunTerms,
    scores?: PromptScores,
  ): AsyncGenerator<Float32Array | undefined> {
    const { meter, plan } = terms;
    for await (const run of this.runs(slot, prompt, terms)) {
      if (scores) yield* scores.read(run);
      if (!run.last) yield undefined;
      else {
        meter.head(1, await run.headRuns(run.tokens - 1, 1));
        const { layers } = this.programs.decoder.config;
        if (decidesSteps(plan)) meter.count("layers", layers, layers);
        if (plan.drafter?.read) plan.drafter.read(await this.#lastStream(run, meter));
        yield await slot.logitsOf(await run.rows(run.tokens - 1, 1));
      }
    }
  }

  /** The residual stream of a run's last tokens, which a drafter reads. */
  async #lastStream(run: Run, meter: Meter): Promise<LastStream> {
    const count = Math.min(run.tokens, READ_BY_DRAFTER);
    if (this.programs.tail) meter.overheadPart(this.programs.tail.cost, count, 0);
    return run.rows(run.tokens - count, count);
  }

  /** Like `prefill`, but yields after each run, with the residual stream of its tokens. */
  async *runs(slot: Slot, prompt: readonly number[], terms: RunTerms): AsyncGenerator<Run> {
    for await (const run of new PromptRun(slot, prompt, terms).runs()) {
      this.#check();
      yield run;
    }
  }

  /** One decode step; returns the logits after `token`. @throws Error if the plan defers the token, or stops */
  async step(slot: Slot, token: number, meter: Meter, plan: Plan = densePlan): Promise<Float32Array> {
    return tokenLogits((await this.stepAll([{ slot, token, meter, plan }]))[0]!);
  }

  /**
   * Runs one decode step of several sequences together; their lengths may differ. Returns their outcomes in order. Each is
   * billed as if it ran alone.
   */
  async stepAll(steps: readonly Step[]): Promise<Outcome[]> {
    this.#check();
    const outcomes = new Map<Slot, Outcome>();
    for (const batch of [...this.slots.batches]) {
      const own = steps.filter(({ slot }) => batch.slots.includes(slot));
      if (own.length > 0) for (const [slot, one] of await new DecodeStep(batch, own).run()) outcomes.set(slot, one);
    }
    for (const step of steps) {
      const { kind } = outcomes.get(step.slot)!;
      if (kind === "token") this.#billDense(step, step.slot.tokens.length - 1);
      else if (kind === "stop") this.billStop(step, step.slot.tokens.length - 1);
    }
    return steps.map(({ slot }) => outcomes.get(slot)!);
  }

  /** Keeps the first `accepted` of the tokens that a step checked: a dense run would have run exactly these. */
  keep(step: Step, checked: number, accepted: number): void {
    const { slot, meter } = step;
    const first = slot.tokens.length - checked;
    for (let i = 0; i < accepted; i++) this.#billDense(step, first + i);
    // Drops the entries of a token that would stop the answer.
    slot.truncate(slot.tokens.length);
    const head = { cost: this.programs.headCost, tokens: 1, past: 0 };
    for (let later = 0; later < checked - accepted; later++)
      meter.waste([...slot.runsOf(this.programs.decoder.config.layers, () => later), head]);
    slot.truncate(first + accepted);
  }

  /** Bills an answer that stopped at a token after `past` other tokens; a dense run would have computed that token. */
  billStop(step: Step, past: number): void {
    this.#billDense(step, past);
    step.meter.count("stops", 0, 1);
  }

  /**
   * Adds a token after `past` other tokens to the dense bill. The caller bills tokens of given text, because a dense
   * run reads them in chunks.
   */
  #billDense(step: Step, past: number): void {
    const { meter, forced = false } = step;
    if (!forced) {
      meter.insteadOfLayers(1, past);
      meter.insteadOfHead(1);
    }
    if (decidesSteps(planOf(step))) meter.count("layers", this.programs.decoder.config.layers, 0);
  }

  /** Frees everything; running requests first end with an error. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#free();
  }

  #free(): void {
    if (this.slots.busy) return;
    this.slots[Symbol.dispose]();
    this.programs[Symbol.dispose]();
  }
}

const cutsOf = ({ cuts }: Plan): number[] => cuts.map(({ after }) => after);
