import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { withoutOutsideLinks } from "../tools/packed-pages.ts";
import { root } from "../tools/section.ts";
import { strayPages } from "./.vitepress/sections.ts";
import { readRedirects, redirectPage, wrongRedirects } from "./redirects.ts";

// Copies the pages of docs/ into site/pages, which VitePress builds. Sources, studies and docs/examples are not part of
// the site: links to them become file names. `npm run docs`

const docs = join(root, "docs");
const pages = join(import.meta.dirname, "pages");
const isPublished = (path: string): boolean => path.startsWith("docs/") && !path.startsWith("docs/examples/");

const files = readdirSync(docs, { recursive: true, encoding: "utf8", withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(docs.length + 1));
const texts = files.filter((name) => name.endsWith(".md"));
const stray = strayPages(texts);
if (stray.length > 0) throw new Error(`the sidebar and docs/ differ: ${stray.join(", ")}`);
const redirects = readRedirects();
const wrong = wrongRedirects(redirects, texts);
if (wrong.length > 0) throw new Error(`redirects.json is wrong: ${wrong.join(", ")}`);

/** A folder's README is its index page on the site. */
const indexed = (text: string): string => text.replaceAll(/README\.md(?=$|[)#])/g, "index.md");

rmSync(pages, { recursive: true, force: true });
for (const name of files) {
  mkdirSync(dirname(join(pages, name)), { recursive: true });
  if (!name.endsWith(".md")) cpSync(join(docs, name), join(pages, name));
  else {
    const text = withoutOutsideLinks(join("docs", name), readFileSync(join(docs, name), "utf8"), root, isPublished);
    writeFileSync(join(pages, indexed(name)), indexed(text));
  }
}
for (const [before, after] of Object.entries(redirects)) {
  mkdirSync(dirname(join(pages, before)), { recursive: true });
  writeFileSync(join(pages, `${before}.md`), indexed(redirectPage(before, after)));
}
