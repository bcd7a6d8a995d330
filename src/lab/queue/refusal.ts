import { type Job as QueueJob, WaitingError } from "bullmq";
import { z } from "zod";

/** The message that says why a worker refused a job. */
const refusal = z.object({ refused: z.string() });

/** This worker cannot do the job, which another may answer: it lacks the model or its disk is full. */
export class Unfit extends Error {
  constructor(override readonly cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause));
  }
}

/** Gives the job to another worker, and tells the run why. @throws WaitingError, which BullMQ expects */
export async function giveBack(job: QueueJob, token: string | undefined, { message }: Unfit): Promise<never> {
  await job.updateProgress({ refused: message });
  return putBack(job, token);
}

/** Lets another worker go on with the job. @throws WaitingError, which BullMQ expects */
export async function putBack(job: QueueJob, token: string | undefined): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

/** The reason why a worker refused a job, from its progress. */
export const refusalOf = (progress: unknown): string =>
  refusal.safeParse(progress).data?.refused ?? "it does not say why";
