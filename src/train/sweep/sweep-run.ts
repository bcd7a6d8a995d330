import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { isDone, receiptFile } from "../folder.ts";
import { readMetrics } from "../metrics.ts";
import { checkOptions, pauseSession, runSession, type Session, type SessionEvents } from "../session.ts";
import { Spike } from "../spike.ts";
import type { Base } from "../subject.ts";
import type { LabTasks } from "../tasks.ts";
import type { Setting } from "./grid.ts";
import type { Watched } from "./screen.ts";

export interface SweepEvents extends SessionEvents {
  /** Called before each run that goes on; `index` counts all runs from 1. */
  onRun?: ((run: { readonly name: string; readonly index: number; readonly of: number }) => void) | undefined;
}

/** The surroundings of all runs. */
export interface Around {
  readonly labTasks: LabTasks | undefined;
  readonly openBase: (model: string) => Promise<Base>;
  readonly events: SweepEvents;
  readonly signal: AbortSignal | undefined;
}

/** One run of a sweep: its folder, and how far it has come. */
export class SweepRun {
  /** The reason that it does not go on, such as a loss that is not finite. */
  fault: string | undefined;

  constructor(
    readonly folder: string,
    readonly steps: number,
    readonly options: Setting["options"],
    private readonly place: { readonly name: string; readonly index: number; readonly of: number },
    private readonly around: Around,
  ) {}

  /** Runs it to its end. */
  async finish(): Promise<void> {
    if (existsSync(receiptFile(this.folder)) || this.fault !== undefined) return;
    const { openBase, events, signal } = this.around;
    await this.#goOn((session) => runSession(session, openBase, events, signal));
  }

  /** Runs it up to a step, unless it is there. */
  async advance(step: number): Promise<void> {
    if (existsSync(receiptFile(this.folder)) || this.#done >= step) return;
    const { openBase, events, signal } = this.around;
    await this.#goOn((session) => pauseSession(session, step, openBase, events, signal));
  }

  watched(): Watched {
    return { out: this.folder, steps: this.steps, done: readMetrics(this.folder) };
  }

  get #done(): number {
    return readMetrics(this.folder).at(-1)?.step ?? 0;
  }

  async #goOn(go: (session: Session) => Promise<unknown>): Promise<void> {
    const { labTasks, events } = this.around;
    events.onRun?.(this.place);
    const reuse = existsSync(this.folder) ? "resume" : "refuse";
    await go({ options: this.options, out: this.folder, reuse, labTasks }).catch((error: unknown) => {
      if (!(error instanceof Spike)) throw error;
      events.onNotice?.(error.message);
      this.fault = error.message;
    });
  }
}

/** @throws UserError if its folder holds a run of other options, or it cannot begin */
export async function planned({ name, options }: Setting, i: number, of: number, out: string, around: Around) {
  const folder = path.join(out, name);
  const steps = isDone(folder, options)
    ? readMetrics(folder).at(-1)!.steps
    : await stepsOfSetting(name, options, around);
  return new SweepRun(folder, steps, options, { name, index: i + 1, of }, around);
}

const stepsOfSetting = (name: string, options: Setting["options"], { openBase, labTasks }: Around): Promise<number> =>
  checkOptions(options, openBase, labTasks).catch((error: unknown) => {
    throw error instanceof UserError ? new UserError(`run ${name}: ${error.message}`) : error;
  });
