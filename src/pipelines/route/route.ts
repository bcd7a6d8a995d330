import { isIds, type Prompt } from "../../engine/decode/language-model.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { UserError } from "../../util/errors.ts";
import { Call } from "../call.ts";
import type { ModelPiece, PricedAnswer } from "../model.ts";
import { type ScoreOptions, Scorer } from "../scores.ts";
import { type NamedRoute, type Pair, RouteBill } from "./bill.ts";

/** The model that answered, and why. */
export interface Route {
  readonly to: "swift" | "super";
  /** The model's name. */
  readonly model: string;
  /** Swift's score; null if it had none, so that Super answered. */
  readonly score: number | null;
  /** The threshold: lower scores go to Super; null if infinite. */
  readonly threshold: number | null;
  /** Set if Super was chosen but failed, so that this is Swift's answer. */
  readonly degraded?: true;
}

/** A piece of a routed answer; the first and last pieces have the route. */
export type RoutePiece = ModelPiece & { readonly route?: Route };

/** A route's decision rule. */
export interface Decider {
  readonly scoring: ScoreOptions;
  readonly threshold: number;
  /** If true, Super answers at once; Swift is not called, and nothing is scored. */
  readonly alone?: boolean | undefined;
  /** Maximum milliseconds for Super to begin its answer, or, for a whole answer, to finish it. */
  readonly timeout?: number | undefined;
  /** Called with the reason why Super could not answer. */
  readonly onDegraded?: ((why: string) => void) | undefined;
}

/** The options of one routed request. */
export interface Routing<O extends object> extends Decider {
  /** The options passed unchanged to both models. */
  readonly options: O;
  readonly named: NamedRoute;
  readonly signal?: AbortSignal | undefined;
  /** The time when a server received the request, as in `performance.now()`. */
  readonly arrived?: number | undefined;
  /** Called with the receipt of a request that was stopped or failed. */
  readonly onStopped?: ((receipt: Receipt) => void) | undefined;
  /** True if the reader wants the whole answer at once, so that Swift can take over if Super breaks off. */
  readonly whole?: boolean | undefined;
}

/**
 * Swift answers; if its logits score below the threshold, Super answers instead, from the same raw prompt. The choice is
 * made before the first piece: after Swift's first token if only that token is scored, otherwise after its whole draft.
 * If Swift is chosen, its stream continues. If Super fails, or has not begun in time, the result is Swift's answer,
 * `degraded`.
 * @throws UserError for a prompt of token ids, which mean different things to two models
 */
export async function* route<O extends object>(
  pair: Pair<O>,
  prompt: Prompt,
  routing: Routing<O>,
): AsyncGenerator<RoutePiece, void> {
  if (prompt.length > 0 && isIds(prompt))
    throw new UserError("a route takes a text or a chat's turns; token ids belong to one model", 2);
  const run = new Run(pair, prompt, routing);
  try {
    yield* run.pieces();
  } finally {
    await run.close();
  }
}

type Role = Route["to"];

class Run<O extends object> {
  readonly #bill: RouteBill<O>;
  readonly #scorer: Scorer;
  #call: Call<O> | undefined;
  #answering: Role = "swift";
  #answer: PricedAnswer = { text: "", tokens: 0, ended: false };
  #done = false;

  constructor(
    private readonly pair: Pair<O>,
    private readonly prompt: Prompt,
    private readonly routing: Routing<O>,
  ) {
    this.#bill = new RouteBill(pair, prompt, routing.options, routing.named, routing.arrived);
    this.#scorer = new Scorer(routing.scoring);
  }

  async *pieces(): AsyncGenerator<RoutePiece, void> {
    const draft = this.routing.alone ? [] : await this.#draft();
    const { score } = this.#scorer;
    this.#bill.scoring = this.#scorer.flops;
    // A NaN score must go to Super, so the comparison is not `<`.
    if (score >= this.routing.threshold) return yield* this.#give("swift", draft);
    await this.#call?.stop();
    const pieces = await this.#escalate();
    if (pieces) return yield* this.#give("super", pieces);
    if (!draft.at(-1)?.receipt) this.#start("swift");
    yield* this.#give("swift", draft.at(-1)?.receipt ? draft : [], true);
  }

  /** Swift's first piece, or its whole answer if the score needs it. */
  async #draft(): Promise<ModelPiece[]> {
    const call = this.#start("swift");
    try {
      return this.routing.scoring.aggregate === "first" ? first(await call.next()) : await all(call);
    } catch (error) {
      // No token can be chosen from logits that are not finite.
      if (this.#scorer.failed && !this.routing.signal?.aborted) return [];
      throw error;
    }
  }

  /** The beginning of Super's answer, or all of it; undefined if Super failed. */
  async #escalate(): Promise<ModelPiece[] | undefined> {
    const { timeout, signal, whole = false } = this.routing;
    const call = this.#start("super");
    try {
      if (!whole) return first(await call.within(timeout));
      const until = timeout === undefined ? undefined : performance.now() + timeout;
      return await all(call, until);
    } catch (error) {
      if (signal?.aborted) throw error;
      this.routing.onDegraded?.((error as Error).message);
      await call.stop();
      return undefined;
    }
  }

  #start(role: Role): Call<O> {
    const observe = (logits: Float32Array) => this.#scorer.observe(logits);
    const { options, signal, arrived } = this.routing;
    const begins = this.#call ? options : { ...options, arrived };
    const terms = role === "swift" && !this.#call ? { ...begins, observe } : begins;
    this.#answering = role;
    this.#call = new Call(this.pair[role], this.prompt, terms, signal, this.#bill.begin(role));
    return this.#call;
  }

  /** Yields the pieces so far, then the rest as it arrives; the last piece has the receipt of all calls. */
  async *#give(to: Role, pieces: readonly ModelPiece[], degraded = false): AsyncGenerator<RoutePiece, void> {
    this.#answering = to;
    this.#bill.degraded = degraded;
    const route = this.#route(to, degraded);
    let at = 0;
    for (;;) {
      const piece = pieces[at] ?? (await this.#call!.next());
      if (!piece) throw new Error(`${route.model}: an answer ended without its receipt`);
      this.#note(piece);
      const shown = at === 0 || piece.receipt ? { route } : {};
      at++;
      if (!piece.receipt) yield { ...piece, ...shown };
      else {
        this.#done = true;
        return yield { ...piece, ...shown, receipt: await this.#bill.receipt(to, this.#answer) };
      }
    }
  }

  #note({ text, tokens, finishReason }: ModelPiece): void {
    const before = this.#answer;
    this.#answer = {
      text: before.text + text,
      tokens: before.tokens + tokens.length,
      ended: finishReason === "stop",
    };
  }

  #route(to: Role, degraded: boolean): Route {
    return {
      to,
      model: this.pair[to].identity.name,
      score: finite(this.#scorer.score),
      threshold: finite(this.routing.threshold),
      ...(degraded && { degraded: true }),
    };
  }

  /** Ends all running calls; reports the cost of a request that was stopped, failed, or lost its reader. */
  async close(): Promise<void> {
    if (this.#done) return;
    await this.#call?.stop();
    if (this.#bill.begun) this.routing.onStopped?.(await this.#bill.receipt(this.#answering, this.#answer));
  }
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

const first = (piece: ModelPiece | undefined): ModelPiece[] => (piece ? [piece] : []);

/** Collects all pieces of a call. @throws if they have not arrived by `until`, as in `performance.now()` */
async function all<O extends object>(call: Call<O>, until?: number): Promise<ModelPiece[]> {
  const pieces: ModelPiece[] = [];
  for (;;) {
    const remaining = until === undefined ? undefined : Math.max(0, until - performance.now());
    const piece = await call.within(remaining);
    if (!piece) return pieces;
    pieces.push(piece);
  }
}
