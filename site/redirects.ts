import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** The new path of each page that moved, both within docs/ and without `.md`. */
export function readRedirects(): Readonly<Record<string, string>> {
  return JSON.parse(readFileSync(join(import.meta.dirname, ".vitepress", "redirects.json"), "utf8"));
}

/** The page at an old path: it leads to the new one at once, or by a link. Search does not find it. */
export function redirectPage(before: string, after: string): string {
  const path = relative(dirname(before), after);
  const target = path.startsWith(".") ? path : `./${path}`;
  return `---
search: false
head:
  - - meta
    - http-equiv: refresh
      content: "0; url=${target.replace(/README$/, "")}"
---

# This page has moved

It is [here](${target}.md).
`;
}

/** Redirects that lead to no page, or stand where a page is. `pages` are paths in docs/. */
export function wrongRedirects(redirects: Readonly<Record<string, string>>, pages: readonly string[]): string[] {
  return Object.entries(redirects)
    .filter(([before, after]) => pages.includes(`${before}.md`) || !pages.includes(`${after}.md`))
    .map(([before, after]) => `${before} to ${after}`);
}
