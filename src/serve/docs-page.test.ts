import { parseHTML } from "linkedom";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { docsPage } from "./docs-page.ts";
import { type Endpoint, endpoint } from "./http/endpoint.ts";

const nothing = async () => ({});
const odd = endpoint({
  method: "post",
  paths: ["/v1/<odd>", "/odd"],
  summary: "Takes <b>anything</b>",
  scope: "infer",
  input: z.object({
    flag: z.boolean().nullish(),
    some: z.number().min(0).max(2).nullish().describe("a <i>share</i>"),
    many: z.int().min(1).optional(),
    above: z.number().gt(0).max(10).default(3),
    text: z.union([z.string(), z.array(z.string())]),
    kind: z.enum(["a", "b"]).nullish(),
    list: z.array(z.object({ role: z.string(), note: z.string().optional() })),
  }),
  output: z.object({ inner: z.object({ deep: z.int() }).nullable() }),
  example: { text: "it's <here>", list: [] },
  handle: nothing,
});
const plain = endpoint({ method: "get", paths: ["/plain/{id}"], summary: "Is plain", handle: nothing });

const shown = (...endpoints: Endpoint[]) => parseHTML(docsPage(endpoints, "<1>")).document;
const rowsOf = (table: ReturnType<typeof shown>["body"]) =>
  [...table.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent));

describe("the page at /docs", () => {
  test("tells each field's type, range, meaning and whether it is required", () => {
    expect(rowsOf(shown(odd).querySelector("section > table")!)).toEqual([
      ["flag", "boolean", ""],
      ["some", "number 0 … 2", "a <i>share</i>"],
      ["many", "integer ≥ 1", ""],
      ["above", "number > 0, ≤ 10", "default 3"],
      ["text required", "string or array of string", ""],
      ["kind", '"a" or "b"', ""],
      ["list required", "array of object", ""],
      ["list[].role required", "string", ""],
      ["list[].note", "string", ""],
    ]);
  });

  test("folds answers, with nullable objects expanded", () => {
    expect(rowsOf(shown(odd).querySelector("details > table")!)).toEqual([
      ["inner", "object", ""],
      ["inner.deep", "integer", ""],
    ]);
  });

  test("links from its top to every section", () => {
    const page = shown(odd, plain);
    const targets = [...page.querySelectorAll("nav a")].map((link) => link.getAttribute("href"));
    expect(targets).toEqual(["#post-v1-odd", "#get-plain-id"]);
    expect([...page.querySelectorAll("section")].map(({ id }) => `#${id}`)).toEqual(targets);
  });

  test("has an example that a shell accepts unchanged, if there is one", () => {
    expect(shown(plain).querySelector("pre")).toBeNull();
    expect(shown(odd).querySelector("pre")!.textContent).toBe(
      `curl http://127.0.0.1:8080/v1/<odd> -H 'content-type: application/json' \\\n  -d '{"text":"it'\\''s <here>","list":[]}'`,
    );
  });

  test("escapes all texts, runs no scripts and loads nothing", () => {
    const page = docsPage([odd, plain], "<1>");
    expect(page).toContain("Modicum &lt;1&gt;");
    expect(page).not.toMatch(/<(odd|b|i|here|script|img|link|iframe)\b/);
    expect(page).not.toMatch(/ (src|on\w+)=|@import|url\(/);
  });
});
