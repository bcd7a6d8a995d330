import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  add,
  isPacked,
  packedPages,
  remove,
  withCloneNote,
  withInstalledPaths,
  withoutOutsideLinks,
} from "../tools/packed-pages.ts";
import { root } from "../tools/section.ts";

const folder = mkdtempSync(join(tmpdir(), "modicum-pages-"));
afterAll(() => rmSync(folder, { recursive: true }));

const packages = ["", "packages/models"].map((name) => join(root, name));
const pages = packages.flatMap((from) => packedPages(from).map((page) => ({ page, from })));

test("both packages have pages", () => {
  expect(pages.map(({ page }) => page)).toEqual(expect.arrayContaining(["README.md", "code-tiny/README.md"]));
});

test.each(pages)("$page of $from links to files of the package", ({ page, from }) => {
  const text = withoutOutsideLinks(page, readFileSync(join(from, page), "utf8"), from);
  const prose = text.replace(/^```.*?^```/gms, "").replace(/`[^`\n]*`/g, "code");
  for (const [, target] of prose.matchAll(/\]\(([^)]+)\)/g)) {
    if (/^(https?:|#)/.test(target!)) continue;
    const path = join(dirname(page), target!.split("#")[0]!);
    expect([isPacked(path, from), existsSync(join(from, path))], target).toEqual([true, true]);
  }
});

test.each([
  ["[runs](../research/exits/README.md)", "runs (`research/exits/README.md`)"],
  ["![a plot](../research/a/b.svg)", "a plot (`research/a/b.svg`)"],
  ["[`src/index.ts`](../src/index.ts#L3)", "`src/index.ts`"],
  ["[page](exit.md#a), [web](https://example.com), [here](#b)", undefined],
  ["`[x](../src/a.ts)`\n```\n[x](../src/a.ts)\n```", undefined],
])("%s", (text, packed) => {
  expect(withoutOutsideLinks("docs/a.md", text)).toBe(packed ?? text);
});

test("commands that need a clone say so, once", () => {
  const note = "In a clone of Modicum:\n\n";
  const block = "```sh\nmodicum run --model packages/models/a\n```\n";
  expect(withCloneNote(`# A\n\n${block}\n${block}`)).toBe(`# A\n\n${note}${block}\n${block}`);
  const other = "```sh\nmodicum run\n```\n\nSee packages/models/a.\n";
  expect(withCloneNote(other)).toBe(other);
});

test.each([
  [
    "`node bin/modicum.js ps` and `docs/examples/a.yaml`",
    "`node node_modules/modicum/bin/modicum.js ps` and `node_modules/modicum/docs/examples/a.yaml`",
  ],
  [
    "```sh\nnode bin/modicum.js run < LICENSE | jq\n```\n",
    "```sh\nnode node_modules/modicum/bin/modicum.js run < node_modules/modicum/LICENSE | jq\n```\n",
  ],
  [
    "`node bin/modicum.js train models/a/train.yaml`",
    "`node node_modules/modicum/bin/modicum.js train node_modules/modicum/models/a/train.yaml`",
  ],
  ["You may delete its `models/`, not `packages/models/a`.", undefined],
  ["In a clone, `node bin/modicum.js` is it; [x](docs/examples/a.yaml).", undefined],
  ["```sh\nnode bin/modicum.js run --model packages/models/a\n```\n", undefined],
  ["```sh\nnpm ci && node bin/modicum.js run\n```\n", undefined],
])("installed paths: %j", (text, packed) => {
  expect(withInstalledPaths(text)).toBe(packed ?? text);
});

test("pages are restored, also after an interrupted pack", () => {
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  mkdirSync(join(folder, "docs"));
  const page = join(folder, "docs", "a.md");
  const text = "[runs](../research/exits/README.md)\n";
  writeFileSync(page, text);
  const aside = join(folder, "aside");
  for (const step of [add, add]) {
    step(folder, aside);
    expect(readFileSync(page, "utf8")).toMatch(/^runs \(`.*research\/exits\/README.md`\)\n$/);
  }
  remove(folder, aside);
  expect(readFileSync(page, "utf8")).toBe(text);
  expect(existsSync(aside)).toBe(false);
});
