import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../tools/section.ts";
import { openingOf } from "./page-opening.ts";
import { userDocs } from "./user-docs.ts";

test.each(userDocs())("%s opens with a command and its output", (page) => {
  expect(openingOf(readFileSync(join(root, page), "utf8")).output).not.toBe("");
});
