import { existsSync, readFileSync } from "node:fs";

/** The lines of a file of this project's own rows; none if there is no such file. */
export const jsonRows = <Row>(file: string): Row[] =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
    : [];
