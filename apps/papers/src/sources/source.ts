import { UserError } from "modicum";
import { z } from "zod";
import { type PaperFields, paperInputSchema, webAddress } from "../paper.ts";

/** An entry as in the source; invalid links are dropped, and the rest is kept. */
export const entrySchema = paperInputSchema.extend({
  links: z
    .unknown()
    .default([])
    .transform((links) => (Array.isArray(links) ? (links as unknown[]) : [links])),
});
export type Entry = z.input<typeof entrySchema>;

/** A broken entry of a source, or a dropped part of an entry; the rest is still read. */
export interface Fault {
  /** The fault's place in the source, such as `line 27` or `entry 3`. */
  readonly place: string;
  readonly reason: string;
}

/** The result of reading a source. */
export interface Parsed {
  readonly papers: readonly PaperFields[];
  readonly faults: readonly Fault[];
}

export interface ParseOptions {
  /** The year for dates that lack one. */
  readonly year?: number | undefined;
}

/** The maximum number of characters of a link in an error. */
const LONGEST_SHOWN = 100;

/** Collects a source's entries as they are read. */
export class Entries implements Parsed {
  readonly papers: PaperFields[] = [];
  readonly faults: Fault[] = [];

  /** Adds the paper that `read` returns; a UserError that it throws is recorded as the entry's fault. */
  add(place: string, read: () => Entry): void {
    try {
      const { links, ...fields } = checked(entrySchema, read());
      this.papers.push({ ...fields, links: links.filter(isWebAddress) });
      for (const link of links.filter((each) => !isWebAddress(each)))
        this.fault(
          place,
          `links: ${JSON.stringify(link).slice(0, LONGEST_SHOWN)} is dropped, expected an http or https address`,
        );
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.fault(place, error.message);
    }
  }

  fault(place: string, reason: string): void {
    this.faults.push({ place, reason });
  }
}

const isWebAddress = (link: unknown): link is string => webAddress.safeParse(link).success;

/** The value, parsed by `schema`. @throws UserError, `field: reason` */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const { data, error } = schema.safeParse(value);
  if (!error) return data;
  const { path, message } = error.issues[0]!;
  throw new UserError(path.length === 0 ? message : `${path.join(".")}: ${message}`);
}

/** Joins a text's lines, since feeds break titles and abstracts into lines. */
export const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim();
