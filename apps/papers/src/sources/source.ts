import { UserError } from "modicum";
import type { z } from "zod";
import { type PaperFields, type PaperInput, paperInputSchema } from "../paper.ts";

/** A broken entry of a source: the others are read all the same. */
export interface Fault {
  /** Its place in the source, such as `line 27` or `entry 3`. */
  readonly place: string;
  readonly reason: string;
}

/** A source as it was read. */
export interface Parsed {
  readonly papers: readonly PaperFields[];
  readonly faults: readonly Fault[];
}

export interface ParseOptions {
  /** The year of dates that tell none. */
  readonly year?: number | undefined;
}

/** Collects a source's entries as they are read. */
export class Entries implements Parsed {
  readonly papers: PaperFields[] = [];
  readonly faults: Fault[] = [];

  /** Adds the paper that `read` gives; a UserError that it throws is the entry's fault. */
  add(place: string, read: () => PaperInput): void {
    try {
      this.papers.push(checked(paperInputSchema, read()));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.fault(place, error.message);
    }
  }

  fault(place: string, reason: string): void {
    this.faults.push({ place, reason });
  }
}

/** The value as `schema` has it. @throws UserError, `field: reason` */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const { data, error } = schema.safeParse(value);
  if (!error) return data;
  const { path, message } = error.issues[0]!;
  throw new UserError(path.length === 0 ? message : `${path.join(".")}: ${message}`);
}

/** A text of one line: feeds break titles and abstracts into lines. */
export const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim();
