import { UserError } from "../../util/errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import { EventFile } from "../report/tensorboard.ts";
import { estimate, sentence } from "./estimate.ts";
import { optionsFile } from "./folder.ts";
import { keepRun, restoreRun } from "./kept-run.ts";
import { Metrics } from "./metrics.ts";
import { sumOfWork, type Work } from "./receipt.ts";
import { checkState } from "./resume.ts";
import { type StepReport, TrainingRun } from "./run.ts";
import type { RunFolder } from "./run-folder.ts";
import type { Session, SessionEvents } from "./session.ts";
import type { Stage } from "./stage.ts";

/** The maximum time between two checkpoints, in milliseconds. */
const SAVE_AFTER = 5 * 60_000;

/** Runs a session's stages in order, and tracks their progress. */
export class Advance {
  /** The last stage that ran; undefined before the first. */
  run: TrainingRun | undefined;
  /** Losses in nats per label: at the first and the last step, and the best held-out loss. */
  readonly losses = { first: Number.NaN, last: Number.NaN, best: Number.NaN };
  readonly #works: Work[] = [];
  #metrics: Metrics | undefined;
  #events: EventFile | undefined;

  constructor(
    private readonly session: Session,
    private readonly folder: RunFolder,
    private readonly events: SessionEvents,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** The bill of all stages. */
  get work(): Work {
    return sumOfWork(this.#works);
  }

  /** Runs a stage to its end, or to step `until` of all stages, from its stored state. @returns true if it has ended */
  async stage(stage: Stage, until: number): Promise<boolean> {
    const run = new TrainingRun(this.session.options, stage);
    await this.#begin(run);
    if (!run.ended) await this.#open(run, until);
    await this.#steps(run, until);
    this.signal?.throwIfAborted();
    this.run = run;
    this.#works.push(run.work);
    const { first, last, best } = run.counters;
    Object.assign(this.losses, { ...(this.#works.length === 1 && { first }), last, best });
    return run.ended !== undefined;
  }

  /** Restores a run's stored state, or starts at its first step. */
  async #begin(run: TrainingRun): Promise<void> {
    const { options, out } = this.session;
    const { stage } = run;
    const begin = this.#works.length === 0 ? this.folder.orNothing : (run: () => Promise<void>) => run();
    await begin(async () => stage.prepare?.());
    for (const sentence of stage.notices ?? []) this.events.onNotice?.(sentence);
    const state = this.folder.stateOf(stage);
    if (state) {
      for (const sentence of checkState(this.session, state, stage.data.hash)) this.events.onNotice?.(sentence);
      restoreRun(run, state);
    } else if (this.#works.length === 0) {
      const { start } = options;
      if (start !== undefined) await begin(async () => stage.startFrom?.(start));
      await this.folder.forget();
    }
    await writeJson(optionsFile(out), options);
  }

  /** Reports the estimate, then the part of the run that is done. */
  async #open(run: TrainingRun, until: number): Promise<void> {
    const { stage, done, counters } = run;
    const before = this.work;
    const { tryBatch } = stage;
    if (tryBatch && until > stage.steps)
      this.events.onNotice?.(sentence(await estimate(tryBatch.bind(stage), stage.steps - done)));
    if (this.#metrics) return;
    this.#metrics = await Metrics.open(this.session.out, before.steps + done);
    if (this.session.options.tensorboard) this.#events = new EventFile(this.session.out, before.steps + done);
    this.events.onBegin?.({ step: before.steps + done, tokens: before.tokens + counters.tokens });
  }

  async #steps(run: TrainingRun, until: number): Promise<void> {
    const { options, out } = this.session;
    const before = this.work;
    let warned: string | undefined;
    let saved = performance.now();
    const save = async () => {
      await keepRun(run, options, out);
      saved = performance.now();
    };
    while (!this.signal?.aborted && (run.trained || (!run.ended && before.steps + run.done < until))) {
      const report = await run.step().catch(async (error: unknown) => {
        // A UserError, such as for a failing reward, is thrown before the step's update.
        const resumable = error instanceof UserError && run.done > 0;
        if (run.trained || resumable) await save();
        if (resumable)
          this.events.onNotice?.(
            `${before.steps + run.done} steps are stored: \`modicum train --resume ${out}\` continues the run; if options or data have changed, add --force`,
          );
        throw error;
      });
      this.#report(report, run.stage.name, before);
      if (run.done === 1 || run.done % options.evaluateEvery === 0) {
        const warning = run.stage.warning?.();
        if (warning !== undefined && warning !== warned) this.events.onNotice?.(`step ${run.done}: ${warning}`);
        warned = warning;
      }
      if (run.done % options.saveEvery === 0 || performance.now() - saved >= SAVE_AFTER) await save();
    }
    if (run.done > 0) await save();
  }

  /** Reports a step, with numbers counted over all stages. */
  #report(report: StepReport, stage: string, { steps, tokens, samples }: Work): void {
    const counted = {
      ...report,
      ...{ step: steps + report.step, steps: steps + report.steps },
      ...{ tokens: tokens + report.tokens, samples: samples + report.samples },
      ...(stage !== "" && { stage }),
    };
    this.#metrics?.add(counted);
    this.#events?.add(counted);
    this.events.onStep?.(counted);
  }
}
