import type { Piece, Usage } from "../engine/decode/answer/generate.ts";
import type { Engine } from "../engine/decode/run/engine.ts";
import type { TokenScore } from "../engine/decode/score/likelihood.ts";
import type { Scheduler } from "../engine/schedule/scheduler.ts";
import type { CustomJob } from "../engine/schedule/ticket.ts";
import { type AuditState, keepAudit, requireIssued } from "../savings/auto/audit-state.ts";
import type { Turn } from "../savings/auto/guarantee.ts";
import { mean } from "../util/mean.ts";

/** Maximum answers that wait to be replayed; while that many wait, no more are sampled. */
const MOST_WAITING = 64;
/** Maximum remembered requests, so that each conversation is sampled at most once. */
const REMEMBERED = 10_000;

/** An answer under a certificate. */
export interface Answer {
  readonly certificate: string;
  /** SHA-256 of the answer's certificate, since a later certificate with the same name does not cover the answer. */
  readonly sha256: string;
  readonly model: string;
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
}

/** The result of one replay. */
export interface AuditOutcome {
  readonly certificate: string;
  readonly model: string;
  readonly state: AuditState;
  /** True if this audit switched the certificate off. */
  readonly off: boolean;
  /** Undefined if the answer could not be replayed. */
  readonly usage: Usage | undefined;
}

export interface AuditOptions {
  /** The share of conversations that are audited. */
  readonly share: number;
  /** Uniform numbers from 0 to 1. */
  readonly random?: () => number;
  readonly onAudit?: (outcome: AuditOutcome) => void;
  /** Called once if a certificate's loss cannot be audited, and whenever its state cannot be stored. */
  readonly onFault?: (certificate: string, fault: string) => void;
}

/**
 * Audits certificates: while a model is idle, dense rereads a sample of the answers given under them. The answers'
 * tokens are kept only in memory.
 */
export class Auditor {
  /** Keys of recent requests: each prompt alone, and with its arrival time. */
  readonly #seen = new Set<string>();
  readonly #passed = new Set<string>();
  /** Replays run one after the other, in the order of arrival, which does not depend on the contents. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(private readonly options: AuditOptions) {}

  /** Called for an answer that cannot be audited under its certificate; reports the reason once per certificate. */
  passes(certificate: string): void {
    if (this.#passed.has(certificate)) return;
    this.#passed.add(certificate);
    this.options.onFault?.(
      certificate,
      "audits need greedy answers of one model without penalties, and a certificate that bounds the loss in nats",
    );
  }

  /**
   * Decides at random, when a request arrives and before its answer is known, whether to audit it. The decision is
   * made once per conversation. If a request has several answers, only the first can be audited. Another request with
   * the same prompt begins a new conversation.
   */
  draws({ earlier, prompt, arrived }: Turn): boolean {
    if (this.#waiting >= MOST_WAITING) return false;
    const request = `${prompt} ${arrived}`;
    const isDrawn = [request, ...earlier].some((each) => this.#seen.has(each));
    this.#remember(request);
    this.#remember(prompt);
    if (isDrawn || (this.options.random ?? Math.random)() >= this.options.share) return false;
    this.#waiting++;
    return true;
  }

  #remember(request: string): void {
    this.#seen.delete(request);
    this.#seen.add(request);
    if (this.#seen.size > 2 * REMEMBERED) this.#seen.delete(this.#seen.values().next().value!);
  }

  /** Resolves when all audits requested so far are recorded. */
  get recorded(): Promise<void> {
    return this.#last;
  }

  /** Replays a sampled answer when the scheduler is idle. */
  replay(answer: Answer, engine: Engine, scheduler: Scheduler): Promise<void> {
    this.#last = this.#last.then(() => this.#replay(answer, engine, scheduler));
    return this.#last;
  }

  async #replay(answer: Answer, engine: Engine, scheduler: Scheduler): Promise<void> {
    const { certificate, sha256, model, ...answered } = answer;
    try {
      requireIssued(certificate, sha256);
      const scored = await scoresOf(answered, engine, scheduler).catch(() => undefined);
      const outcome = await keepAudit(certificate, sha256, scored && lossOf(scored.found[0]![0]!));
      this.options.onAudit?.({ certificate, model, ...outcome, usage: scored?.usage });
    } catch (error) {
      this.options.onFault?.(certificate, String(error instanceof Error ? error.message : error));
    } finally {
      this.#waiting--;
    }
  }
}

/** @throws if the answer is empty, or its replay is cut off */
async function scoresOf({ prompt, answer }: Pick<Answer, "prompt" | "answer">, engine: Engine, scheduler: Scheduler) {
  if (answer.length === 0) throw new RangeError("an answer without tokens has no loss");
  const { scoreContinuations } = await import("../engine/decode/score/score.ts");
  const idle = { submit: (job: CustomJob) => scheduler.whenIdle(job) };
  return await scoreContinuations(engine, idle, [{ context: prompt, continuations: [answer] }], {});
}

/**
 * Passes on a sampled answer, and replays it when it ends. An interrupted answer counts as one that cannot be replayed,
 * so that no sampled answer is dropped.
 */
export async function* replayed(
  answer: () => AsyncIterable<Piece>,
  replay: (tokens: readonly number[]) => Promise<void>,
): AsyncGenerator<Piece, void> {
  const tokens: number[] = [];
  let whole = false;
  try {
    for await (const piece of answer()) {
      tokens.push(...piece.tokens.map(({ id }) => id));
      whole = piece.finish !== undefined && !piece.finish.cut;
      yield piece;
    }
  } finally {
    void replay(whole ? tokens : []);
  }
}

/** The mean nats per token by which dense prefers its own likeliest tokens to the answer's tokens. */
const lossOf = (scores: readonly TokenScore[]): number =>
  Math.min(1, Math.max(0, mean(scores.map(({ best, nats }) => best - nats))));
