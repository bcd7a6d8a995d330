import { expect, test } from "vitest";
import { readRedirects, redirectPage, wrongRedirects } from "../site/redirects.ts";
import { documentation } from "../tools/figure-sources.ts";

const pages = documentation()
  .filter((page) => page.startsWith("docs/"))
  .map((page) => page.slice("docs/".length));

test("pages that moved lead to pages that there are", () => {
  expect(wrongRedirects(readRedirects(), pages)).toEqual([]);
});

test("a redirect to no page, or from a page, is wrong", () => {
  expect(wrongRedirects({ old: "gone", lab: "auto", older: "lab" }, pages)).toEqual(["old to gone", "lab to auto"]);
});

test("a redirect names its page from where it stands", () => {
  const text = redirectPage("methods/old", "savings/exit");
  expect(text).toContain('content: "0; url=../savings/exit"');
  expect(text).toContain("[here](../savings/exit.md)");
  expect(redirectPage("old", "lab")).toContain('content: "0; url=./lab"');
  expect(redirectPage("old", "savings/README")).toContain('content: "0; url=./savings/"');
});
