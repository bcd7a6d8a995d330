import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import type { Document } from "../document.ts";
import { documentsIn } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-read-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function read(name: string, contents: string | Buffer): Promise<Document[]> {
  const path = join(folder, name);
  writeFileSync(path, contents);
  const all: Document[] = [];
  for await (const document of documentsIn(path)) all.push(document);
  return all;
}

const more = { categories: [], metadata: {} };

describe("JSON lines", () => {
  test("have documents in our form and in BEIR's, zipped or not", async () => {
    const lines = [
      { id: 7, text: "a", categories: ["x"], extra: 1 },
      { _id: "b", title: "B", text: "b", metadata: { url: "u" } },
      { text: "" },
    ];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("\n");
    const expected = (name: string) => [
      { id: "7", title: "", text: "a", categories: ["x"], metadata: {} },
      { id: "b", title: "B", text: "b", categories: [], metadata: { url: "u" } },
      { id: `${join(folder, name)}:5`, title: "", text: "", ...more },
    ];
    expect(await read("d.jsonl", text)).toEqual(expected("d.jsonl"));
    expect(await read("d.jsonl.gz", gzipSync(text))).toEqual(expected("d.jsonl.gz"));
  });

  test.each([
    ['{"id":"a"}', 'line 1: field "text": expected a text'],
    ['{"id":"","text":"x"}', 'line 1: field "id": expected 1 to 512 characters'],
    ['{"text":"x","categories":"y"}', 'field "categories": expected a list of texts'],
    ["{", "line 1: this is not JSON"],
    ["[]", "line 1: "],
  ])("name the line and the field that is wrong: %s", async (line, sentence) => {
    await expect(read("bad.jsonl", line)).rejects.toThrow(sentence);
  });

  test("with NUL and lone surrogates are stored in a form that both stores accept", async () => {
    const [document] = await read("nul.jsonl", '{"id":"a\\u0000","text":"x\\ud800y"}');
    expect([document!.id, document!.text]).toEqual(["a\ufffd", "x\ufffdy"]);
  });
});

describe("Markdown", () => {
  test.each([
    ["# A  title\n\nText.\n", { title: "A  title", text: "\n\nText.\n" }],
    ['---\ntitle: "Front"\nx: 1\n---\n# Head\ntext', { title: "Front", text: "# Head\ntext" }],
    ["```sh\n# comment\n```\n# Head\ntext", { title: "Head", text: "```sh\n# comment\n```\n\ntext" }],
    ["~~~\n# comment\n", { title: "m", text: "~~~\n# comment\n" }],
    ["No heading\n## Second", { title: "m", text: "No heading\n## Second" }],
  ])("%j", async (markdown, parts) => {
    expect(await read("m.md", markdown)).toEqual([{ id: join(folder, "m.md"), ...parts, ...more }]);
  });
});

describe("HTML", () => {
  test("a page's title and paragraphs, without scripts", async () => {
    const html =
      "<!doctype html><html><head><title>A &amp; B</title><style>p{}</style></head><body><script>no()</script>" +
      "<h1>Head</h1><p>One <b>bold</b><br>line</p><ul><li>x</li><li>y</li></ul><table><tr><td>1</td><td>2</td></tr></table></body></html>";
    const [document] = await read("p.html", html);
    expect(document).toMatchObject({ title: "A & B", id: join(folder, "p.html") });
    expect(document!.text.replace(/ +\n/g, "\n")).toBe("Head\n\nOne bold\nline\n\nx\n\ny\n\n1 2");
  });

  test("an empty title gives way to the first heading", async () => {
    const html = "<html><head><title> </title></head><body><p>x</p><h1>Page\n<i>head</i></h1></body></html>";
    expect(await read("untitled.html", html)).toMatchObject([{ title: "Page head" }]);
  });

  test("a part of a page", async () => {
    expect(await read("part.htm", "<p>Only <i>this</i></p>")).toMatchObject([{ title: "part", text: "Only this" }]);
  });
});

test("a text file has its name as title", async () => {
  expect(await read("notes.v1.txt", "\ufeffHello")).toMatchObject([{ title: "notes.v1", text: "Hello" }]);
});

test("other files are refused, and unreadable files are named", async () => {
  expect(() => documentsIn("a.pdf")).toThrow("a.pdf: expected a file whose name ends in .jsonl");
  await expect(read("bad.txt", Buffer.from([0xff, 0xfe]))).rejects.toThrow("expected text in UTF-8");
});
