import { expect, test } from "vitest";
import { generation } from "./session.ts";

test("a limit of tokens that is named is the request's own, and the default one is not", () => {
  expect(generation({ model: "m" })).toMatchObject({ maxTokens: 512, defaultLength: true });
  expect(generation({ model: "m", maxTokens: 512 })).toMatchObject({ maxTokens: 512, defaultLength: false });
});
