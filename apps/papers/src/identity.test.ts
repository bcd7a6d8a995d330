import { expect, test } from "vitest";
import { addressOf, arxivId, titleKey } from "./identity.ts";

test.each([
  ["2503.16428", "2503.16428"],
  ["arXiv:2503.16428v2", "2503.16428"],
  ["http://arxiv.org/abs/2503.16428v1", "2503.16428"],
  ["https://arxiv.org/pdf/0704.0001.pdf", "0704.0001"],
  ["oai:arXiv.org:2503.16428v1", "2503.16428"],
  ["math.GT/0309136", "math.GT/0309136"],
  ["https://example.org/2503.16428", null],
  ["503.1", null],
])("the arXiv identifier in %s is %s", (text, id) => expect(arxivId(text)).toBe(id));

test("a title has one key for all spellings", () => {
  expect(titleKey("  DYNAMAX: Dynamic – Computing ")).toBe(titleKey("Dynamax, dynamic computing"));
  expect(titleKey("Poincaré Embeddings")).toBe("poincare-embeddings");
  expect(titleKey("深層学習")).toBe("深層学習");
});

test("an address is the arXiv identifier, or a title; long titles differ in a hash", () => {
  expect(addressOf("math.GT/0309136", "x")).toBe("math.GT-0309136");
  expect(addressOf(null, "a-title")).toBe("a-title");
  const [a, b] = ["one", "two"].map((end) => addressOf(null, `${"word-".repeat(30)}${end}`));
  expect(a).not.toBe(b);
  expect(a!.length).toBeLessThan(100);
});
