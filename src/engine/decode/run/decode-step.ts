import type { DecoderPrograms } from "../../../models/programs/programs.ts";
import type { ExitHead, StepProbe } from "../../../models/programs/step-probe.ts";
import type { LayerRange } from "../../../models/state/kv-group.ts";
import type { StateFill, StepCut } from "../../../savings/plan.ts";
import type { Slot } from "../state/slot.ts";
import type { Batch, Rows } from "./batch.ts";
import { embedTokens, runSegments } from "./chunk-run.ts";
import { type AtCut, fill, holdBack } from "./fills.ts";
import { LoneRow, stopOf } from "./lone-row.ts";
import type { Finding } from "./probes.ts";
import { billExit, decidesSteps, decisionAt, type Outcome, outcomeOf, planOf, type Step, stepCut } from "./stepped.ts";

/** A row at one of its plan's cuts. */
interface Asking {
  readonly slot: Slot;
  readonly cut: StepCut;
  /** The values that the cut's probe found; undefined if it has no probe. */
  readonly found: Finding | undefined;
}

/** A row that exits at a cut. */
interface Leaving extends Asking {
  readonly fill: StateFill;
}

/** Rows of one batch that run through the layers together, from cut to cut. */
export class DecodeStep {
  readonly #programs: DecoderPrograms;
  readonly #steps: ReadonlyMap<Slot, Step>;
  /** Rows that have not exited. */
  readonly #active: Set<Slot>;
  readonly #outcomes = new Map<Slot, Outcome>();
  readonly #borders: readonly number[];
  /** The number of segments run. */
  #done = 0;

  constructor(
    private readonly batch: Batch,
    steps: readonly Step[],
  ) {
    this.#programs = steps[0]!.slot.programs;
    this.#steps = new Map(steps.map((step) => [step.slot, step]));
    const together = steps.filter(({ token, ahead }) => token !== undefined && !ahead);
    this.#active = new Set(together.map(({ slot }) => slot));
    this.#borders = [...new Set(steps.flatMap(({ slot }) => slot.borders))].sort((a, b) => a - b);
  }

  /** Returns the outcome of each row. */
  async run(): Promise<ReadonlyMap<Slot, Outcome>> {
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
    for (const step of this.#steps.values()) await this.#end(step);
    return this.#outcomes;
  }

  /** Records a row's new token, or runs the waiting tokens of a row without a new token, or checks a row's guesses. */
  async #end(step: Step): Promise<void> {
    const { slot, token } = step;
    if (step.ahead) {
      this.#outcomes.set(slot, await runAhead(step));
      return;
    }
    const outcome = this.#outcomes.get(slot);
    const dropped = outcome?.kind === "checked" && outcome.stops !== undefined;
    if (token !== undefined && !dropped) slot.grow([token], planOf(step).state.answer);
    else if (token === undefined) this.#outcomes.set(slot, await new LoneRow(step).run(slot.held.depth!));
  }

  #tokens(of: Rows): number[] {
    return this.batch.slotsOf(of).map((slot) => this.#step(slot).token!);
  }

  #rows(): Rows[] {
    return this.batch.adjacent(this.#active);
  }

  async #layers(range: LayerRange): Promise<void> {
    const before = this.#done;
    for (const of of this.#rows()) this.#done = await this.batch.run(of, range, this.#borders, before);
  }

  /** Decides whether rows with a cut after `after` layers continue. */
  async #decide(after: number): Promise<void> {
    const leaving: Leaving[] = [];
    for (const asking of await this.#asking(after)) {
      const { slot, cut, found } = asking;
      const decision = decisionAt(cut, this.#step(slot), found?.found ?? new Float32Array(), slot.waiting);
      if (decision.kind === "exit") leaving.push({ ...asking, fill: decision.fill });
      else if (decision.kind === "stop") await this.#stop(slot, after);
      else if (slot.waiting > 0 && slot.held.depth === after) await this.#goAlone(slot, after);
    }
    await this.#exit(leaving, after);
  }

  /** Rows with a cut here, with their probes' results: one run for adjacent rows with the same probe. */
  async #asking(after: number): Promise<Asking[]> {
    const rows = [...this.#active].flatMap((slot) => {
      const cut = stepCut(planOf(this.#step(slot)), after);
      return cut ? [{ slot, cut }] : [];
    });
    const findings = new Map<Slot, Finding>();
    for (const [probe, slots] of byKey(rows, ({ cut }) => cut.probe))
      if (probe) for (const [slot, one] of await this.#probe(probe, slots)) findings.set(slot, one);
    return rows.map((row) => ({ ...row, found: findings.get(row.slot) }));
  }

  async #probe(probe: StepProbe, slots: ReadonlySet<Slot>): Promise<[Slot, Finding][]> {
    const all: [Slot, Finding][] = [];
    for (const of of this.batch.adjacent(slots)) {
      const results = await this.batch.probe(of, this.#done, probe);
      all.push(...this.batch.slotsOf(of).map((slot, i): [Slot, Finding] => [slot, results[i]!]));
    }
    for (const [slot, { cost }] of all) this.#step(slot).meter.overheadPart(cost, 1, 0);
    return all;
  }

  /** Decides the tokens of rows that exit, and fills the state of the layers they skip. */
  async #exit(leaving: readonly Leaving[], after: number): Promise<void> {
    const deciding = leaving.filter((row) => !probedLogits(row));
    for (const [head, slots] of byKey(deciding, ({ cut }) => cut.head))
      for (const of of this.batch.adjacent(slots)) await this.batch.head(of, this.#done, head);
    for (const row of leaving) {
      const { slot, fill: how } = row;
      this.#bill(slot, after);
      await this.#billHead(row);
      this.#leave(slot, outcomeOf(how, probedLogits(row) ?? this.batch.logitsOf(slot)));
      await fill(how, this.#at(slot, after));
    }
  }

  async #billHead({ slot, cut: { head }, found, fill: how }: Leaving): Promise<void> {
    const program = head ? await this.#programs.exitHead(head) : found?.logits ? undefined : this.#programs.head;
    billExit(this.#step(slot).meter, how, program?.cost);
  }

  async #stop(slot: Slot, after: number): Promise<void> {
    this.#bill(slot, after);
    this.#leave(slot, await stopOf(this.#step(slot), after));
  }

  /** Continues a row separately from the batch, together with its tokens that waited at this cut. */
  async #goAlone(slot: Slot, after: number): Promise<void> {
    this.#bill(slot, after);
    holdBack(this.#at(slot, after));
    this.#leave(slot, await new LoneRow(this.#step(slot)).run(after));
  }

  async #head(): Promise<void> {
    for (const of of this.#rows()) await this.batch.finish(of, this.#done);
    for (const slot of this.#active) {
      this.#bill(slot, this.#programs.decoder.config.layers);
      this.#step(slot).meter.part(this.#programs.headCost, 1, 0);
      planOf(this.#step(slot)).drafter?.read?.(this.batch.stream(slot, this.#done));
      this.#leave(slot, { kind: "token", logits: this.batch.logitsOf(slot) });
    }
  }

  #leave(slot: Slot, outcome: Outcome): void {
    this.#outcomes.set(slot, outcome);
    this.#active.delete(slot);
  }

  /** Bills a row for the layers that it has run, as if no other row had run. */
  #bill(slot: Slot, depth: number): void {
    const step = this.#step(slot);
    const { meter } = step;
    meter.part(this.#programs.embedding.cost, 1, 0);
    for (const { cost, tokens, past } of slot.runsOf(depth)) meter.part(cost, tokens, past);
    if (decidesSteps(planOf(step))) meter.count("layers", 0, depth);
  }

  #at(slot: Slot, after: number): AtCut {
    return { slot, after, batch: this.batch, done: this.#done, meter: this.#step(slot).meter };
  }

  #step(slot: Slot): Step {
    return this.#steps.get(slot)!;
  }
}

/** A probe's logits for a row, which are used if the exit has no head of its own. */
const probedLogits = ({ cut, found }: Asking): Float32Array | undefined => (cut.head ? undefined : found?.logits);

/** Groups rows by the key of their probe or head. */
function byKey<T extends { readonly slot: Slot }, U extends StepProbe | ExitHead>(
  rows: readonly T[],
  of: (row: T) => U | undefined,
): Map<U | undefined, Set<Slot>> {
  const first = new Map<string | undefined, U | undefined>();
  const all = new Map<U | undefined, Set<Slot>>();
  for (const row of rows) {
    const key = of(row)?.key;
    if (!first.has(key)) first.set(key, of(row));
    all.set(first.get(key), (all.get(first.get(key)) ?? new Set()).add(row.slot));
  }
  return all;
}

/** Runs a row's token and its guesses in one pass, bit-equal to separate steps; `Engine.keep` keeps correct guesses. */
async function runAhead(step: Step): Promise<Outcome> {
  const { slot, meter, ahead = [] } = step;
  const { programs } = slot;
  const tokens = [step.token!, ...ahead];
  const positions = tokens.map((_, i) => slot.tokens.length + i);
  const whole = slot.borders.length === 0 && programs.hasApart(tokens.length) && slot.windowStays(tokens.length);
  const { buffers, lengths } = whole ? { buffers: slot.buffers, lengths: slot.lengthsFrom(0) } : slot.apart;
  await embedTokens(programs, buffers, lengths, tokens, slot.placeIn(slot.group(0), positions));
  meter.part(programs.embedding.cost, tokens.length, 0);
  const job = { slot, layers: { from: 0, to: programs.decoder.config.layers }, done: 0, positions, meter };
  const chunk = whole
    ? await runSegments(job, [], { apart: tokens.length })
    : await slot.apart.run(job, { total: tokens.length, whole: tokens.length });
  slot.grow(tokens, planOf(step).state.answer);
  const stream = await chunk.rows(0, tokens.length);
  planOf(step).drafter?.read?.(stream);
  const logits = await slot.logitsOfAll(stream, tokens.length);
  meter.part(programs.headCost, tokens.length, 0);
  meter.count("drafts", 0, ahead.length);
  return { kind: "checked", logits };
}
