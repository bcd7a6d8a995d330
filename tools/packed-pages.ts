import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { root } from "./section.ts";

// Pages link to sources and studies, which the package does not have. `add` (prepack) turns these links into the names of
// files, and `remove` (postpack) puts the pages back.

/** True if the package has what is at `path`, by the `files` of its package.json. */
export function isPacked(path: string, from = root): boolean {
  const { files } = JSON.parse(readFileSync(join(from, "package.json"), "utf8")) as { files: string[] };
  const within = (entry: string) => path === entry || path.startsWith(`${entry}/`);
  const [left, packed] = [files.filter((entry) => entry.startsWith("!")), files.filter((e) => !e.startsWith("!"))];
  return packed.some(within) && !left.some((entry) => within(entry.slice(1).replace(/\/(\*\*)?$/, "")));
}

/** Pages of the package. */
export const packedPages = (from = root): string[] =>
  ["README.md", "CHANGELOG.md", "docs", "models"]
    .filter((name) => existsSync(join(from, name)))
    .flatMap((name) =>
      name.endsWith(".md")
        ? [name]
        : readdirSync(join(from, name), { recursive: true, encoding: "utf8" }).map((file) => `${name}/${file}`),
    )
    .filter((file) => file.endsWith(".md") && isPacked(file, from));

/** Code, which holds no links, or a link. */
const LINK = /^```.*?^```|!?\[([^\]]*)\]\(([^)\s]+)\)|`[^`\n]*`/gms;

/** A page's text, with the names of files in place of links that leave the package. */
export const withoutOutsideLinks = (page: string, text: string, from = root): string =>
  text.replace(LINK, (whole: string, label: string | undefined, target: string | undefined) => {
    if (label === undefined || target === undefined || /^(https?:|mailto:|#)/.test(target)) return whole;
    const path = relative(from, join(from, dirname(page), target.split("#")[0]!));
    if (isPacked(path, from)) return whole;
    return label.includes(path) ? label : `${label} (\`${path}\`)`;
  });

const kept = (from: string): string => join(from, "release", "pages");

export function add(from = root): void {
  remove(from);
  for (const page of packedPages(from)) {
    const text = readFileSync(join(from, page), "utf8");
    const packed = withoutOutsideLinks(page, text, from);
    if (packed === text) continue;
    mkdirSync(dirname(join(kept(from), page)), { recursive: true });
    writeFileSync(join(kept(from), page), text);
    writeFileSync(join(from, page), packed);
  }
}

export function remove(from = root): void {
  if (!existsSync(kept(from))) return;
  cpSync(kept(from), from, { recursive: true });
  rmSync(kept(from), { recursive: true });
}

if (process.argv[1] === import.meta.filename) (process.argv[2] === "add" ? add : remove)();
