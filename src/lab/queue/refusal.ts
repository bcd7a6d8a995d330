import { type Job as QueueJob, WaitingError } from "bullmq";
import { z } from "zod";

/** The message that says why a worker refused a job. */
const refusal = z.object({ refused: z.string() });

/** This worker cannot do the job, but another may: the model is missing here, or the disk is full. */
export class Unfit extends Error {
  constructor(override readonly cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause));
  }
}

/** Returns the job for another worker, and tells the run why. @throws WaitingError, which BullMQ expects */
export async function giveBack(job: QueueJob, token: string | undefined, { message }: Unfit): Promise<never> {
  await job.updateProgress({ refused: message });
  return putBack(job, token);
}

/** Returns the job for another worker. @throws WaitingError, which BullMQ expects */
export async function putBack(job: QueueJob, token: string | undefined): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

/** The reason that a worker refused a job, from the job's progress. */
export const refusalOf = (progress: unknown): string =>
  refusal.safeParse(progress).data?.refused ?? "it does not say why";
