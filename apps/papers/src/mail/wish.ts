import { z } from "zod";

const frequencies = ["daily", "weekly"] as const;
export type Frequency = (typeof frequencies)[number];

/** A subscriber's choices. */
export const wishSchema = z.object({
  frequency: z.enum(frequencies, "expected daily or weekly").default("daily"),
  /** Only papers of these topics; empty: all. */
  topics: z.array(z.string()).max(50).default([]),
  /** Only papers with one of these tags of the reader; empty: all. */
  tags: z.array(z.string()).max(50).default([]),
  /** The reader of the tags. */
  reader: z.string().nullable().default(null),
  /** The maximum number of papers per digest. */
  most: z.int("expected a number of papers").min(1).max(50).default(10),
});

export type WishInput = z.input<typeof wishSchema>;
export type Wish = Readonly<z.output<typeof wishSchema>>;

/** An email address, trimmed and in lower case, so that each address has one spelling. */
export const addressSchema = z
  .string("expected an address")
  .trim()
  .toLowerCase()
  .max(254, "expected at most 254 characters")
  .pipe(z.email("expected an address such as ada@example.org"));
