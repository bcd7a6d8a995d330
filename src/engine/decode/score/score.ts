import type { Stopwatch } from "../../bill/stopwatch.ts";
import { finite } from "../../not-finite.ts";
import { Refused } from "../../schedule/refused.ts";
import type { CustomJob } from "../../schedule/ticket.ts";
import type { Piece, Usage } from "../answer/generate.ts";
import type { Terms } from "../answer/terms.ts";
import type { Engine } from "../run/engine.ts";
import { type Continuations, Likelihoods, type PlanFor, type TokenScore } from "./likelihood.ts";
import { ScoringJob } from "./scoring.ts";

/**
 * Scores every token of the continuations, by context and continuation, as one request in one row of the scheduler.
 * @throws UserError if a context is too long; Refused if there is no room, or the request is cut off
 */
export async function scoreContinuations(
  engine: Engine,
  scheduler: { submit(job: CustomJob): AsyncIterable<Piece> },
  requests: readonly Continuations[],
  { planFor, ...terms }: Omit<Terms, "ceiling"> & { readonly planFor?: PlanFor },
): Promise<{ found: TokenScore[][][]; usage: Usage }> {
  using likelihoods = await Likelihoods.create(engine, planFor);
  let work: ScoringJob | undefined;
  const begin = (time: Stopwatch) => {
    work = new ScoringJob(engine, likelihoods, requests, time);
    return work;
  };
  const longest = requests.reduce((a, b) => (b.context.length > a.context.length ? b : a));
  const { usage, cut } = await finish(scheduler.submit({ prompt: longest.context, engine, begin, ...terms }));
  if (cut) {
    terms.onStopped?.(usage);
    throw new Refused(cut === "deadline" ? "deadline" : "closing", 1);
  }
  const { found } = work!;
  finite(
    found.flat(2).map(({ nats }) => nats),
    "a likelihood",
  );
  return { found, usage };
}

/** The finish reason of a stream. */
async function finish(stream: AsyncIterable<Piece>): Promise<NonNullable<Piece["finish"]>> {
  for await (const { finish } of stream) if (finish) return finish;
  throw new Error("a job ended without its last piece");
}
