import { z } from "zod";
import { MOST_SCHEMA } from "../engine/decode/grammar/index.ts";
import { MOST_PIXELS } from "../engine/images/pixels/decode.ts";
import { flagHelp } from "../util/named-options.ts";

/** The server's limits; requests beyond them are refused before anything runs. */
export const limitOptions = z.strictObject({
  maxBody: z
    .int()
    .min(1024)
    .default(8 * 2 ** 20)
    .describe("maximum bytes of a request body"),
  maxPrompt: z.int().min(1).default(1_000_000).describe("maximum characters or token ids of a prompt"),
  maxTokens: z
    .int()
    .min(1)
    .default(2048)
    .describe("maximum tokens of an answer, and the default for chats")
    .register(flagHelp, { common: true }),
  maxChoices: z.int().min(1).default(8).describe("maximum answers per prompt (n)"),
  maxTexts: z.int().min(1).default(2048).describe("maximum texts per request to embed, rerank or classify"),
  maxImages: z.int().min(0).default(16).describe("maximum images per chat"),
  maxImage: z
    .int()
    .min(1)
    .default(4 * 2 ** 20)
    .describe("maximum bytes of an image, decoded from base64"),
  maxImagePixels: z
    .int()
    .min(1)
    .max(MOST_PIXELS)
    .default(64_000_000)
    .describe("maximum pixels of an image, as stated in its header"),
  maxPixels: z.int().min(1).default(160_000_000).describe("maximum pixels of all images of a chat"),
  maxSchema: z
    .int()
    .min(1)
    .max(MOST_SCHEMA)
    .default(120_000)
    .describe("maximum characters of a JSON schema, and of all tools"),
  maxTime: z
    .number()
    .min(0.1)
    .optional()
    .describe("maximum seconds per request, including waiting: answers end there; waiting requests are refused"),
  maxArrival: z
    .number()
    .min(0.1)
    .max(3600)
    .default(60)
    .describe("maximum seconds for a request to arrive; its headers must arrive in a quarter of that"),
  maxStall: z
    .number()
    .min(0.1)
    .max(3600)
    .default(60)
    .describe("seconds before a connection whose client reads nothing is closed"),
});

export type Limits = z.output<typeof limitOptions>;

/** The deadline of a request received at `start`, as in `performance.now()`. */
export const deadlineOf = ({ maxTime }: Limits, start: number): number | undefined => maxTime && start + 1000 * maxTime;

/** Maximum nesting depth of a body's lists and objects. */
export const MOST_DEPTH = 32;
/** Maximum number of values in a body's lists and objects. */
export const MOST_VALUES = 100_000;
/** The maximum number of stop texts, and of characters in each. */
export const MOST_STOPS = 16;
export const LONGEST_STOP = 256;
