import type { LayerRange } from "../../../models/state/kv-group.ts";
import type { StateFill, StepCut } from "../../../savings/plan.ts";
import { type Chunk, type ChunkJob, runSegments } from "./chunk-run.ts";
import { waits } from "./fills.ts";
import type { Finding } from "./probes.ts";
import type { Span } from "./stack-buffers.ts";
import { billExit, decisionAt, type Outcome, outcomeOf, planOf, type Step, stepCut } from "./stepped.ts";

/**
 * The outcome of a row that stops after `after` layers. Drafts before its token are checked first, because a wrong
 * draft may have caused the stop.
 */
export async function stopOf(step: Step, after: number): Promise<Outcome> {
  const { drafts, depth } = step.slot.held;
  if (!drafts || depth === undefined) return { kind: "stop" };
  const stops = step.slot.runsOf(after);
  const checked = await new LoneRow({ ...step, token: undefined }).run(depth);
  return checked.kind === "checked" ? { ...checked, stops } : checked;
}

/** A row that runs deeper layers separately from its batch, together with its waiting tokens. */
export class LoneRow {
  /** Positions of the tokens that are running. */
  #positions: readonly number[] = [];
  #chunk!: Chunk;

  constructor(private readonly step: Step) {}

  /** Runs the tokens that wait after `after` layers or at deeper cuts, until the newest token exits or finishes. */
  async run(after: number): Promise<Outcome> {
    const { slot, meter } = this.step;
    const { layers } = slot.programs.decoder.config;
    for (let from = after; ; ) {
      const to = slot.borders.find((at) => at > from) ?? layers;
      this.#chunk = await this.#pass({ from, to });
      meter.count("layers", 0, (to - from) * this.#positions.length);
      if (to === layers) return this.#finish();
      const outcome = await this.#decide(to);
      if (outcome) return outcome;
      this.#wait(to);
      from = to;
    }
  }

  /** Runs the tokens that wait before some layers through those layers; drafts are bit-equal to decode steps. */
  async #pass(range: LayerRange): Promise<Chunk> {
    const { slot, meter } = this.step;
    const apart = slot.held.drafts ? slot.apart : undefined;
    this.#positions = slot.held.take(range.from, (apart ?? slot).buffers.streamBuffers(0));
    const job: ChunkJob = { slot, layers: range, done: 0, positions: this.#positions, meter };
    const { length: tokens } = this.#positions;
    return apart ? apart.run(job, { total: tokens, whole: tokens }) : runSegments(job, []);
  }

  /** The outcome of the newest token if it exits after `after` layers. */
  async #decide(after: number): Promise<Outcome | undefined> {
    const { slot, token } = this.step;
    const cut = token === undefined ? undefined : stepCut(planOf(this.step), after);
    if (!cut) return undefined;
    const found = await this.#probe(cut);
    const waiting = slot.waiting + this.#positions.length - 1;
    const decision = decisionAt(cut, this.step, found?.found ?? new Float32Array(), waiting);
    if (decision.kind === "continue") return undefined;
    if (decision.kind === "exit") return this.#exit(cut, found, decision.fill);
    this.#wait(after, this.#positions.slice(0, -1));
    return stopOf(this.step, after);
  }

  async #probe({ probe }: StepCut): Promise<Finding | undefined> {
    if (!probe) return undefined;
    const { slot, meter } = this.step;
    const span = this.#newest();
    const { buffers, done } = this.#chunk;
    const key = `${buffers === slot.buffers} ${done % 2} ${span.at}`;
    const stream = () => buffers.stream(done, span);
    const [found] = await slot.probes.read(probe, { first: 0, slots: [slot] }, key, stream);
    meter.overheadPart(found!.cost, 1, 0);
    return found;
  }

  async #exit({ after, head }: StepCut, found: Finding | undefined, fill: StateFill): Promise<Outcome> {
    const { slot, meter } = this.step;
    const { programs } = slot;
    const program = head ? await programs.exitHead(head) : programs.head;
    const probeLogits = head ? undefined : found?.logits;
    const { buffers, done } = this.#chunk;
    const logits = probeLogits ?? (await slot.logitsOf(buffers.stream(done, this.#newest()), program));
    billExit(meter, fill, probeLogits ? undefined : program.cost);
    if (!waits(fill)) throw new Error(`the state fill ${fill} is not for waiting tokens`);
    this.#wait(after);
    return outcomeOf(fill, logits);
  }

  #newest(): Span {
    return { rows: 1, tokens: 1, at: this.#positions.length - 1 };
  }

  #wait(after: number, positions = this.#positions): void {
    const { buffers, done } = this.#chunk;
    this.step.slot.held.add(buffers.streamBuffers(done), 0, positions, after);
  }

  /** The newest token's logits after the last layer, or the logits of all tokens to check drafts. */
  async #finish(): Promise<Outcome> {
    const { slot, meter } = this.step;
    const { drafts } = slot.held;
    const { tokens, at } = drafts ? { tokens: this.#positions.length, at: 0 } : this.#newest();
    meter.part(slot.programs.headCost, tokens, 0);
    const logits = await slot.logitsOfAll(await this.#chunk.rows(at, tokens), tokens);
    slot.held.drafts = false;
    return drafts ? { kind: "checked", logits } : { kind: "token", logits: logits[0]! };
  }
}
