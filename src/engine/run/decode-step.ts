import type { LayerRange } from "../../models/kv-group.ts";
import type { DecoderPrograms } from "../../models/programs.ts";
import { densePlan, type Plan, type StateFill, type StepCut } from "../../savings/plan.ts";
import type { Meter } from "../bill/meter.ts";
import type { Slot } from "../state/slot.ts";
import type { Batch, Rows } from "./batch.ts";
import { type AtCut, catchUp, fill } from "./fills.ts";

/** A sequence's part in a decode step. */
export interface Step {
  readonly slot: Slot;
  readonly token: number;
  readonly meter: Meter;
  /** Absent: dense. */
  readonly plan?: Plan;
}

/** Rows of one batch that go through the layers together, from cut to cut. */
export class DecodeStep {
  readonly #programs: DecoderPrograms;
  readonly #steps: ReadonlyMap<Slot, Step>;
  /** Rows that have not left. */
  readonly #active: Set<Slot>;
  readonly #logits = new Map<Slot, Float32Array>();
  readonly #borders: readonly number[];
  /** Segments that have run. */
  #done = 0;

  constructor(
    private readonly batch: Batch,
    steps: readonly Step[],
  ) {
    this.#programs = steps[0]!.slot.programs;
    this.#steps = new Map(steps.map((step) => [step.slot, step]));
    this.#active = new Set(this.#steps.keys());
    this.#borders = [...new Set(steps.flatMap(({ slot }) => slot.borders))].sort((a, b) => a - b);
  }

  /** Logits [vocabulary] after each row's token. */
  async run(): Promise<ReadonlyMap<Slot, Float32Array>> {
    await this.#programs.prepareCuts(this.#borders);
    const { layers } = this.#programs.decoder.config;
    for (const of of this.#rows()) this.batch.setTokens(of, this.#tokens(of));
    for (let from = 0; from < layers && this.#active.size > 0; ) {
      const to = this.#borders.find((at) => at > from) ?? layers;
      await this.#layers({ from, to });
      if (to < layers) await this.#decide(to);
      from = to;
    }
    await this.#head();
    for (const { slot, token, plan } of this.#steps.values()) slot.grow([token], (plan ?? densePlan).state.answer);
    return this.#logits;
  }

  #tokens(of: Rows): number[] {
    return this.batch.slotsOf(of).map((slot) => this.#step(slot).token);
  }

  #rows(): Rows[] {
    return this.batch.adjacent(this.#active);
  }

  async #layers(range: LayerRange): Promise<void> {
    const before = this.#done;
    for (const of of this.#rows()) this.#done = await this.batch.run(of, range, this.#borders, before);
  }

  /** Asks rows that have a cut after `after` layers whether they continue. */
  async #decide(after: number): Promise<void> {
    const leaving = new Map<Slot, StateFill>();
    for (const slot of this.#active) {
      const cut = stepCut(this.#planOf(slot), after);
      const decision = cut?.decide({ tokens: slot.tokens.length, probed: new Float32Array() });
      if (decision?.kind === "exit") leaving.set(slot, decision.fill);
      else if (cut && slot.hasMissed) await this.#catchUp(slot, after);
    }
    if (leaving.size > 0) await this.#exit(leaving, after);
  }

  /** Decides the tokens of rows that leave, and puts something in the place of their deeper state. */
  async #exit(leaving: ReadonlyMap<Slot, StateFill>, after: number): Promise<void> {
    for (const of of this.batch.adjacent(new Set(leaving.keys()))) await this.batch.head(of, this.#done);
    for (const [slot, how] of leaving) {
      this.#bill(slot, after);
      this.#step(slot).meter.part(this.#programs.head.cost, 1, 0);
      this.#leave(slot, this.batch.logitsOf(slot));
      await fill(how, this.#at(slot, after));
    }
  }

  /** Runs a row through its deeper layers by itself, after the earlier tokens that skipped them. */
  async #catchUp(slot: Slot, after: number): Promise<void> {
    this.#bill(slot, after);
    this.#leave(slot, await catchUp(this.#at(slot, after)));
  }

  async #head(): Promise<void> {
    for (const of of this.#rows()) await this.batch.finish(of, this.#done);
    for (const slot of this.#active) {
      this.#bill(slot, this.#programs.decoder.config.layers);
      this.#step(slot).meter.part(this.#programs.headCost, 1, 0);
      this.#leave(slot, this.batch.logitsOf(slot));
    }
  }

  #leave(slot: Slot, logits: Float32Array): void {
    this.#logits.set(slot, logits);
    this.#active.delete(slot);
  }

  /** Bills the layers that a row has run, as if it had run alone. */
  #bill(slot: Slot, depth: number): void {
    const { meter } = this.#step(slot);
    const { layers } = this.#programs.decoder.config;
    meter.part(this.#programs.embedding.cost, 1, 0);
    for (const { layers: range, length } of slot.groupsOf({ from: 0, to: depth }))
      meter.part(this.#programs.costOf(range.from, range.to, slot.borders), 1, length - 1);
    if (this.#planOf(slot).cuts.some(({ scope }) => scope === "step")) meter.count("layers", layers, depth);
  }

  #step(slot: Slot): Step {
    return this.#steps.get(slot)!;
  }

  #planOf(slot: Slot): Plan {
    return this.#step(slot).plan ?? densePlan;
  }

  #at(slot: Slot, after: number): AtCut {
    return { slot, after, batch: this.batch, done: this.#done, meter: this.#step(slot).meter };
  }
}

const stepCut = ({ cuts }: Plan, after: number): StepCut | undefined =>
  cuts.find((cut): cut is StepCut => cut.scope === "step" && cut.after === after);
