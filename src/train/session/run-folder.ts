import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import { differences } from "../checkpoint/differences.ts";
import { hasState, type KeptState, latestState, removeStates } from "../checkpoint/state.ts";
import { chosenMethod } from "../methods/registry.ts";
import { optionsFile, optionsOf, receiptFile } from "./folder.ts";
import { refuseOtherParameters } from "./resume.ts";
import { forgetScored } from "./scored-step.ts";
import type { Session, SessionEvents } from "./session.ts";
import type { Stage } from "./stage.ts";

export interface RunFolder {
  /** True if the folder contains a state to resume from. */
  readonly resumes: boolean;
  /**
   * Reads the state of one of the run's stages; undefined if the stage has no state yet. @throws UserError if all of
   * its states are damaged
   */
  stateOf(stage: Pick<Stage, "name" | "data">): KeptState | undefined;
  /** Calls `begin`, and removes a new run if that fails; a stopped run is kept. */
  orNothing<T>(begin: () => Promise<T>): Promise<T>;
  /** Removes files of an old run that would pass for the new run's. */
  forget(): Promise<void>;
}

/**
 * Opens a run's folder. A new run's options are stored at once, so that it can resume even if it is killed while its
 * model loads.
 * @throws UserError
 */
export async function openFolder(
  session: Session,
  onNotice: SessionEvents["onNotice"],
  signal: AbortSignal | undefined,
): Promise<RunFolder> {
  const { out, reuse, options } = session;
  const held = existsSync(optionsFile(out));
  const isNew = !existsSync(out);
  try {
    makeFolders(out);
  } catch (error) {
    throw writeError(error, out);
  }
  if (reuse === "refuse" && readdirSync(out).some((name) => !name.endsWith(".part")))
    throw new UserError(
      held ? `${out} holds a run; --resume continues it, --force replaces it` : `${out} is not empty; --force uses it`,
    );
  if (reuse === "unfinished" && held && nameOf(optionsOf(out)) !== nameOf(options))
    throw new UserError(`${out} holds a different training run; use a different --out`);
  if (!held) await writeJson(optionsFile(out), options);
  const continues = reuse === "resume" || reuse === "resume changed";
  const resumes = (continues || (reuse === "unfinished" && isUnfinished(session))) && hasState(out);
  if (continues && !resumes) onNotice?.(`${out} holds no checkpoint: the run starts over`);
  // The parameters are checked before the model is opened.
  const only = resumes ? latestState(out) : undefined;
  if (only) refuseOtherParameters(session, only);
  else if (continues && held) refuseOtherRun(session);
  return {
    resumes,
    stateOf({ name, data }) {
      if (!resumes) return undefined;
      const state = name === "" ? only : latestState(out, name);
      if (reuse === "unfinished" && state?.data !== data.hash) return undefined;
      for (const sentence of state?.damaged ?? []) onNotice?.(sentence);
      return state;
    },
    async orNothing(begin) {
      try {
        return await begin();
      } catch (error) {
        // A folder that was not empty before belongs to the user.
        if (!held && !signal?.aborted)
          await rm(reuse === "refuse" || isNew ? out : optionsFile(out), { recursive: true, force: true });
        throw error;
      }
    },
    async forget() {
      await removeStates(out);
      await forgetScored(out);
      await rm(receiptFile(out), { force: true });
    },
  };
}

/**
 * Refuses to continue a run that was begun with other options. @throws UserError for other options, unless the call
 * accepts them
 */
function refuseOtherRun({ out, options, reuse }: Session): void {
  const own = optionsOf(out);
  const changed = differences(options, own);
  if (nameOf(own) !== nameOf(options)) {
    const method = changed.filter((difference) => difference.startsWith("method"));
    throw new UserError(`${out}: a run cannot continue with a different ${method.join("; ")}`);
  }
  if (reuse === "resume" && changed.length > 0)
    throw new UserError(
      `${out}: the run was begun with different options: ${changed.join("; ")}; --force continues with the new ones`,
    );
}

const nameOf = ({ method }: Session["options"]): string | undefined => chosenMethod({ method })?.method.name;

/** True if the folder contains an unfinished run with the session's options. */
function isUnfinished({ out, options }: Session): boolean {
  if (!existsSync(optionsFile(out)) || existsSync(receiptFile(out))) return false;
  return differences(options, optionsOf(out)).length === 0;
}
