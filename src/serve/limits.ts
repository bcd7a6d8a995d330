import { z } from "zod";

/** The server's limits; requests beyond them are refused before anything runs. */
export const limitOptions = z.strictObject({
  maxBody: z
    .int()
    .min(1024)
    .default(8 * 2 ** 20)
    .describe("most bytes of a request's body"),
  maxPrompt: z
    .int()
    .min(1)
    .default(1_000_000)
    .describe("most characters of a prompt, or token ids; the model's context is a limit of its own"),
  maxTokens: z.int().min(1).default(2048).describe("most tokens of an answer, and how many where a chat does not say"),
  maxChoices: z.int().min(1).default(8).describe("most answers to one prompt (n)"),
  maxTexts: z.int().min(1).default(2048).describe("most texts in one request for embeddings, ranks or classes"),
  maxImages: z.int().min(0).default(16).describe("most images in one chat, for models that other servers run"),
  maxImage: z
    .int()
    .min(1)
    .default(4 * 2 ** 20)
    .describe("most bytes of one image, decoded from its base64"),
  maxTime: z
    .number()
    .min(0.1)
    .optional()
    .describe(
      "most seconds of a request, its waiting included: answers then end as they are, and what has not begun is refused",
    ),
  maxArrival: z
    .number()
    .min(0.1)
    .max(3600)
    .default(60)
    .describe("most seconds in which a request has to arrive whole, and its head in a quarter of them"),
  maxStall: z
    .number()
    .min(0.1)
    .max(3600)
    .default(60)
    .describe("most seconds in which a client takes nothing of what waits for it; its connection is then closed"),
});

export type Limits = z.output<typeof limitOptions>;

/** When the time of a request is over that was taken at `taken`, on the clock of `performance.now()`. */
export const deadlineOf = ({ maxTime }: Limits, taken: number): number | undefined => maxTime && taken + 1000 * maxTime;

/** Nesting depth of brackets in a body. */
export const MOST_DEPTH = 32;
/** Values in a body's lists and objects. */
export const MOST_VALUES = 100_000;
/** Texts that end an answer, and characters in one. */
export const MOST_STOPS = 16;
export const LONGEST_STOP = 256;
