import { z } from "zod";
import { drawings } from "./drawings.ts";

/** Tint colours of drawings. */
export const tints = { red: [230, 40, 40], green: [40, 190, 60], blue: [50, 90, 240], purple: [160, 50, 200] } as const;
export type Tint = keyof typeof tints;

export const sceneOptions = z.strictObject({
  size: z.coerce.number().int().min(32).max(512).default(96).describe("pixels of a side"),
  drawings: z.coerce
    .number()
    .int()
    .min(0)
    .max(drawings.length)
    .default(40)
    .describe("number of named emoji to use, from the start of the list; 0: only drawings from the folder"),
  folder: z
    .string()
    .min(1)
    .optional()
    .describe("a folder of further PNG drawings; NAME.txt beside NAME.png holds the name; the default is NAME"),
  layout: z
    .enum(["grid", "free"])
    .default("grid")
    .describe("grid: one object in a cell of 3 × 3, so that places have names; free: any size and place, some overlap"),
  least: z.coerce.number().int().min(1).max(9).default(1).describe("fewest objects"),
  most: z.coerce.number().int().min(1).max(9).default(5).describe("most objects"),
  digits: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(0.3)
    .describe("share of scenes with a number, a row of 1 to 3 digits"),
  clutter: z.coerce.number().min(0).max(1).default(0.5).describe("share of scenes with a cluttered background"),
  tints: z.coerce.number().min(0).max(1).default(0).describe("share of tinted drawings, whose label names the tint"),
});
export type SceneOptions = z.output<typeof sceneOptions>;
