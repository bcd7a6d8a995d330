import { existsSync, readFileSync } from "node:fs";
import type { z } from "zod";

/** The runs of a method's results that are done, a line each. */
export const doneRunsIn = <S extends z.ZodType>(file: string, run: S): z.output<S>[] =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => run.parse(JSON.parse(line)))
    : [];
