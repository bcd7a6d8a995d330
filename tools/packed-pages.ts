import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { root } from "./section.ts";

// Pages link to sources and studies, which the package lacks. `add` (prepack) turns these links into file names, marks
// commands that need a clone, and names installed files in other commands. `remove` (postpack) restores the pages:
// `npx tsx tools/packed-pages.ts add|remove [FOLDER]`.

/** True if the package in `from` includes `path`: by the `files` of its package.json, or always if there are none. */
export function isPacked(path: string, from = root): boolean {
  const { files } = JSON.parse(readFileSync(join(from, "package.json"), "utf8")) as { files?: string[] };
  if (files === undefined) return !path.startsWith("..");
  const within = (entry: string) => path === entry || path.startsWith(`${entry}/`);
  return files.some(within) && !files.some((entry) => entry.startsWith("!") && within(entry.slice(1)));
}

/** Pages of the package in `from`. */
export const packedPages = (from = root): string[] =>
  readdirSync(from)
    .filter((name) => isPacked(name, from))
    .flatMap((name) => (name.endsWith(".md") ? [name] : pagesIn(from, name)))
    .filter((page) => isPacked(page, from));

const pagesIn = (from: string, folder: string): string[] =>
  statSync(join(from, folder)).isDirectory()
    ? readdirSync(join(from, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".md"))
        .map((file) => join(folder, file))
    : [];

/** Matches a link, or code, in which links do not count. */
const LINK = /^```.*?^```|!?\[([^\]]*)\]\(([^)\s]+)\)|`[^`\n]*`/gms;

/**
 * A page's text, with file names instead of links that leave the package in `from`; `isInside` decides whether a
 * relative path stays inside.
 */
export const withoutOutsideLinks = (
  page: string,
  text: string,
  from = root,
  isInside = (path: string): boolean => isPacked(path, from),
): string =>
  text.replace(LINK, (whole: string, label: string | undefined, target: string | undefined) => {
    if (label === undefined || target === undefined || /^(https?:|mailto:|#)/.test(target)) return whole;
    const file = join(from, dirname(page), target.split("#")[0]!);
    if (isInside(relative(from, file))) return whole;
    const name = relative(root, file);
    return label.includes(name) ? label : `${label} (\`${name}\`)`;
  });

/** A part of a command that only a clone can run. */
const CLONE =
  /\b(?:(?:packages|research|deploy|src)\/|npm (?:ci|run|pack)|npx tsx|js bench|(?:sweep|export-run)\.yaml)/;

/** The first block with a command that only a clone can run. */
const CLONE_COMMAND = new RegExp(`^\`\`\`sh\\n(?:(?!^\`\`\`)[\\s\\S])*?${CLONE.source}`, "m");

/** A page's text, with a note before commands that the package cannot run. */
export const withCloneNote = (text: string): string => text.replace(CLONE_COMMAND, "In a clone of Modicum:\n\n$&");

/** The command and the files of the package, as they are named in code. */
const OWN_FILE = /(?<![\w./([-])(?:bin\/modicum\.js(?= )|docs\/examples\/|models\/(?=\w)|LICENSE(?= \|))/g;

/** A page's text, with commands as they are run in a project that has installed the package. */
export const withInstalledPaths = (text: string): string =>
  text.replace(LINK, (code) => (CLONE.test(code) ? code : code.replace(OWN_FILE, "node_modules/modicum/$&")));

/** The folder, outside the package, that keeps the original pages until `remove`. */
const asideOf = (from: string): string => join(root, "release", `pages-of-${basename(from)}`);

export function add(from = root, aside = asideOf(from)): void {
  remove(from, aside);
  for (const page of packedPages(from)) {
    const text = readFileSync(join(from, page), "utf8");
    const inside = withoutOutsideLinks(page, text, from);
    const packed = isPacked("packages/models", from) ? inside : withInstalledPaths(withCloneNote(inside));
    mkdirSync(dirname(join(aside, page)), { recursive: true });
    writeFileSync(join(aside, page), text);
    writeFileSync(join(from, page), packed);
  }
}

export function remove(from = root, aside = asideOf(from)): void {
  if (!existsSync(aside)) return;
  cpSync(aside, from, { recursive: true });
  rmSync(aside, { recursive: true });
}

if (process.argv[1] === import.meta.filename)
  (process.argv[2] === "add" ? add : remove)(join(root, process.argv[3] ?? "."));
