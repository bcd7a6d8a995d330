import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { flagHelp } from "../../util/named-options.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Piece } from "../decode/answer/generate.ts";
import { checkLength, Sequence } from "../decode/answer/sequence.ts";
import { BATCH_ROWS } from "../decode/run/batch.ts";
import type { Engine } from "../decode/run/engine.ts";
import { FairQueue, type KeyValues, type Turns } from "./fair-queue.ts";
import { Idle } from "./idle.ts";
import { Pace } from "./pace.ts";
import { type Refusal, Refused } from "./refused.ts";
import { type Begun, begun, Rows } from "./rows.ts";
import { type CustomJob, type Job, Ticket } from "./ticket.ts";

export const schedulerOptions = z.strictObject({
  rows: z.int().min(1).default(BATCH_ROWS).describe("maximum running requests").register(flagHelp, { common: true }),
  queue: z
    .int()
    .min(0)
    .default(128)
    .describe("maximum waiting requests; more are refused")
    .register(flagHelp, { common: true }),
});

export type SchedulerOptions = z.output<typeof schedulerOptions>;

/**
 * Runs many requests on a model. Each turn runs some of the waiting prompts, at most a chunk, then one step of all
 * answers together, then compiles the grammar of one waiting request. Requests start and end between turns; no request
 * changes the results or the bill of another.
 */
export class Scheduler implements Turns {
  readonly #queue = new FairQueue<Ticket>();
  readonly #rows = new Rows();
  readonly #pace = new Pace();
  readonly #idle = new Idle();
  /** All engines that have run a request: the model's own, and its adapters'. */
  readonly #engines = new Set<Engine>();
  /** Resolves when the work is done; undefined while idle. */
  #loop: Promise<void> | undefined;
  /** The number of prompt tokens that have run. */
  #clock = 0;
  /** The time at which all running requests are ended; undefined until `close` is called. */
  #closes: number | undefined;

  /** `engine` runs requests without an adapter. */
  constructor(
    private readonly engine: Engine,
    private readonly tokenizer: Tokenizer,
    private readonly options: SchedulerOptions,
  ) {}

  get waiting(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#rows.size;
  }

  get keyValues(): KeyValues {
    const all = [...this.#engines].map(({ slots }) => slots);
    const tokens = this.options.rows * this.engine.programs.decoder.config.context;
    return {
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
      usage: all.reduce((sum, { busyTokens }) => sum + busyTokens, 0) / tokens,
    };
  }

  letGo(): void {
    for (const { slots } of this.#engines) slots.letGo();
  }

  /**
   * The answer to a request, piece by piece; the request stops if the reader leaves. The stream fails with `Refused` if
   * the request cannot run in time.
   * @throws UserError if the prompt is empty or longer than the context; Refused if there is no room for it
   */
  submit(job: Job | CustomJob): AsyncIterable<Piece> {
    const { engine = this.engine } = job;
    checkLength(job.prompt, engine.programs.decoder.config.context);
    if (this.#closes !== undefined) throw this.#refused("closing");
    this.#engines.add(engine);
    const ticket = new Ticket(job, engine);
    const dropped = this.#queue.add(ticket, this.options.queue + this.options.rows - this.#rows.size);
    if (dropped === ticket) throw this.#refused("full");
    dropped?.fail(this.#refused("full"));
    this.#loop ??= this.#run();
    return ticket.stream;
  }

  /**
   * Runs a job in the pauses: it starts when nothing runs or waits, and requests take precedence before each of its
   * runs. It does not count as a running request, and closing ends it.
   */
  whenIdle(job: CustomJob): AsyncIterable<Piece> {
    if (this.#closes !== undefined) throw this.#refused("closing");
    this.#engines.add(job.engine);
    const stream = this.#idle.add(job);
    this.#loop ??= this.#run();
    return stream;
  }

  /**
   * Stops accepting requests. Accepted ones may run for `limit` milliseconds; then running ones end with the answer so
   * far. Resolves when all have ended.
   */
  async close(limit: number): Promise<void> {
    this.#closes = Math.min(this.#closes ?? Number.POSITIVE_INFINITY, performance.now() + limit);
    await this.#loop;
  }

  async #run(): Promise<void> {
    // Requests that arrive in the same tick start together.
    await Promise.resolve();
    while (this.#queue.size + this.#rows.size + this.#idle.size > 0) {
      if (this.#queue.size + this.#rows.size === 0) {
        await this.#pause();
        continue;
      }
      this.#sweep(performance.now());
      const uncompiled = this.#uncompiled();
      await this.#admit();
      await this.#prefill();
      await this.#decode();
      if (uncompiled) await this.#compile(uncompiled);
    }
    this.#loop = undefined;
  }

  /** Runs an idle job once, unless requests arrive first. */
  async #pause(): Promise<void> {
    await setImmediate();
    if (this.#closes !== undefined) this.#idle.end(this.#refused("closing"));
    else if (this.#queue.size === 0) await this.#idle.run();
  }

  /** Ends stopped requests, and requests whose time is up. */
  #sweep(now: number): void {
    for (const ticket of [...this.#queue, ...this.#rows]) {
      const late = now >= (ticket.job.deadline ?? Number.POSITIVE_INFINITY);
      if (ticket.stopped !== undefined) this.#fail(ticket, ticket.stopped);
      else if (late) this.#end(ticket, "deadline");
      else if (now >= (this.#closes ?? Number.POSITIVE_INFINITY)) this.#end(ticket, "closing");
    }
  }

  #end(ticket: Ticket, why: "deadline" | "closing"): void {
    if (begun(ticket)) this.#give(ticket, ticket.sequence.cut(why));
    else this.#fail(ticket, this.#refused(why));
  }

  #next(): Ticket | undefined {
    return this.#queue.next((key) => this.#rows.of(key));
  }

  /** The first waiting request whose grammar is not compiled. */
  #uncompiled(): Ticket | undefined {
    return [this.#next(), ...this.#queue].find((ticket) => ticket?.grammar?.compiled === false);
  }

  /** Compiles a grammar on the event loop's thread, after sending the last step's tokens. */
  async #compile(ticket: Ticket): Promise<void> {
    await setImmediate();
    await this.#guard(ticket, () => void ticket.grammar?.compile());
  }

  async #admit(): Promise<void> {
    while (this.#rows.size < this.options.rows) {
      const ticket = this.#next();
      if (!ticket || ticket.grammar?.compiled === false || this.#rows.willBring(ticket)) return;
      this.#queue.serve(ticket);
      await this.#guard(ticket, () => this.#begin(ticket));
    }
  }

  #begin(ticket: Ticket): void {
    const { job, engine, time } = ticket;
    const sequence =
      "begin" in job
        ? job.begin(time)
        : new Sequence(engine, this.tokenizer, job.prompt, job.options, { ...job, time });
    this.#rows.add(Object.assign(ticket, { sequence }));
    ticket.began = performance.now();
    // The shortest prompt runs first, but no prompt waits for more tokens of other prompts than it has itself.
    ticket.due = this.#clock + sequence.left;
    job.onBegun?.();
  }

  /** Runs one chunk of a prompt, or several prompts of at most a chunk together. */
  async #prefill(): Promise<void> {
    let run = 0;
    for (const ticket of this.#rows.prefilling()) {
      const { chunks } = ticket.sequence;
      if (run > 0 && run + chunks > 1) return;
      await this.#guard(ticket, () => this.#advance(ticket));
      run += chunks;
    }
  }

  async #advance(ticket: Begun): Promise<void> {
    const { left } = ticket.sequence;
    const piece = await ticket.sequence.advance();
    this.#clock += left - ticket.sequence.left;
    this.#give(ticket, piece);
  }

  async #decode(): Promise<void> {
    for (const [engine, tickets] of this.#rows.decoding()) await this.#step(engine, tickets);
  }

  async #step(engine: Engine, tickets: readonly Begun[]): Promise<void> {
    const stepped = engine.stepAll(tickets.map(({ sequence }) => sequence.next()));
    const take = (ticket: Begun) =>
      this.#guard(ticket, async () =>
        this.#give(ticket, ticket.sequence.take((await stepped)[tickets.indexOf(ticket)]!)),
      );
    // If the shared step fails, each request ends separately, with the error.
    await Promise.allSettled([stepped]);
    const free = tickets.filter(({ grammar }) => !grammar);
    await Promise.all(free.map(take));
    // Computing a grammar's allowed tokens may take long, so earlier tokens are sent first.
    for (const ticket of tickets.filter(({ grammar }) => grammar)) {
      await setImmediate();
      await take(ticket);
    }
  }

  /** An error in one request ends only that request. */
  async #guard(ticket: Ticket, run: () => void | Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#fail(ticket, error);
    }
  }

  #give(ticket: Begun, piece: Piece | undefined): void {
    if (!piece) return;
    ticket.give(piece);
    if (piece.finish) this.#leave(ticket);
  }

  #fail(ticket: Ticket, error: unknown): void {
    const why = begun(ticket) ? reportUsage(ticket, error) : error;
    if (begun(ticket)) this.#leave(ticket);
    else this.#queue.remove(ticket);
    ticket.fail(why);
  }

  #leave(ticket: Begun): void {
    this.#rows.delete(ticket);
    ticket.sequence[Symbol.dispose]();
    this.#pace.note(performance.now() - ticket.began);
  }

  /** A refusal with the estimated seconds until the waiting requests have run. */
  #refused(reason: Refusal): Refused {
    const now = performance.now();
    const underWay = [...this.#rows].map(({ began }) => now - began);
    return new Refused(reason, this.#pace.secondsFor(this.#queue.size + 1, this.options.rows, underWay));
  }
}

/** Reports a request's usage to its owner. Returns the request's error, or the error of the owner's callback. */
function reportUsage({ job, sequence }: Begun, error: unknown): unknown {
  try {
    job.onStopped?.(sequence.usage());
    return error;
  } catch (own) {
    return own;
  }
}
