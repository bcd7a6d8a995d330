import type { Piece } from "../decode/answer/generate.ts";
import { type CustomJob, Ticket, type Work } from "./ticket.ts";

interface Waiting {
  readonly job: CustomJob;
  readonly ticket: Ticket;
}

/** Jobs that run in the pauses of a scheduler, in order of arrival. The first job keeps its state between two runs. */
export class Idle {
  readonly #waiting: Waiting[] = [];
  #work: Work | undefined;

  get size(): number {
    return this.#waiting.length;
  }

  add(job: CustomJob): AsyncIterable<Piece> {
    const ticket = new Ticket(job, job.engine);
    this.#waiting.push({ job, ticket });
    return ticket.stream;
  }

  /** Runs one pass through the model's layers for the first job. An error ends only that job. */
  async run(): Promise<void> {
    const [first] = this.#waiting;
    if (!first) return;
    const { job, ticket } = first;
    try {
      if (ticket.stopped !== undefined) throw ticket.stopped;
      this.#work ??= job.begin(ticket.time);
      const piece = await this.#work.advance();
      if (!piece) return;
      ticket.give(piece);
    } catch (error) {
      ticket.fail(error);
    }
    this.#leave();
  }

  /** Ends all jobs with an error. */
  end(error: unknown): void {
    while (this.#waiting.length > 0) {
      this.#waiting[0]!.ticket.fail(error);
      this.#leave();
    }
  }

  #leave(): void {
    this.#waiting.shift();
    this.#work?.[Symbol.dispose]();
    this.#work = undefined;
  }
}
