import { checkCeiling, priceOfRequests } from "../../engine/bill/price.ts";
import { Stopwatch } from "../../engine/bill/stopwatch.ts";
import { generate, type Piece } from "../../engine/decode/answer/generate.ts";
import type { LanguageModel } from "../../engine/decode/language-model.ts";
import type { Continuations } from "../../engine/decode/score/likelihood.ts";
import { Scheduler } from "../../engine/schedule/scheduler.ts";
import { UserError } from "../../util/errors.ts";
import { type Auditor, replayed } from "../auditor.ts";
import type { AnswerJob, Face, LeasedTerms } from "./face.ts";

/** Continues texts, and scores labels and relevance by likelihoods. */
export function decoderFace(model: LanguageModel): Face {
  const { engine, tokenizer, source } = model;
  let scheduler: Scheduler | undefined;
  let auditor: Auditor | undefined;

  const answer = (job: AnswerJob): AsyncIterable<Piece> =>
    scheduler ? scheduler.submit(job) : generate(job.engine ?? engine, tokenizer, job.prompt, job.options, job);

  /** The pending replay of an answer, if audits sampled it. */
  function drawn({ prompt, facts, plan, audit, engine: adapted = engine }: AnswerJob) {
    const { guarantee, audited: sha256 } = plan?.choice ?? {};
    const certificate = guarantee?.certificate;
    const [by, pauses] = [auditor, scheduler];
    if (certificate === undefined || audit === false || !by || !pauses) return undefined;
    if (sha256 === undefined) return void by.passes(certificate);
    if (!facts?.turn || !by.draws(facts.turn())) return undefined;
    return (tokens: readonly number[]) =>
      by.replay({ certificate, sha256, model: source.name, prompt, answer: tokens }, adapted, pauses);
  }

  /** Scores continuations. @throws UserError for an empty list */
  async function score(
    read: () => readonly Continuations[],
    { arrived, ceiling = {}, lease, truncate: _, ...terms }: LeasedTerms,
  ) {
    const time = new Stopwatch(arrived);
    time.enter("prefill");
    const continuations = read();
    if (continuations.length === 0) throw new UserError("no texts given; expected at least one", 2);
    checkCeiling(ceiling, () => priceOfRequests(engine.programs, continuations));
    const { scoreContinuations } = await import("../../engine/decode/score/score.ts");
    const by = scheduler ?? new Scheduler(engine, tokenizer, { rows: 1, queue: 0 });
    return scoreContinuations(engine, by, continuations, { ...terms, time, ...(lease && { planFor: lease.plan }) });
  }

  return {
    ...{ language: model, generative: model },
    schedule(options) {
      scheduler = new Scheduler(engine, tokenizer, options);
      return scheduler;
    },
    audit(by) {
      auditor = by;
    },
    answer(job) {
      const replay = drawn(job);
      return replay ? replayed(() => answer(job), replay) : answer(job);
    },
    async classify(inputs, labels, terms) {
      const [{ labelsFor, oneTextEach }, { labelRequests, classificationOf }] = await Promise.all([
        import("./inputs.ts"),
        import("../../engine/decode/score/labelled.ts"),
      ]);
      const among = labelsFor(source.name, labels);
      const read = () => labelRequests(model, oneTextEach(source.name, inputs), among);
      const { found, usage } = await score(read, terms);
      return { answers: found.map((each) => classificationOf(among, each)), usage };
    },
    async relevance(query, texts, terms) {
      const { relevanceRequests, relevanceOf } = await import("../../engine/decode/score/relevance.ts");
      const { found, usage } = await score(() => relevanceRequests(model, query, texts, terms.truncate), terms);
      return { answers: found.map(relevanceOf), usage };
    },
  };
}
