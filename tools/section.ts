import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The project's folder. */
export const root = join(import.meta.dirname, "..");

/**
 * Replaces `text` between the comments that mark the section `name` with `content`; the first comment also names the writer.
 * @throws if there is no such section
 */
export function withSection(text: string, name: string, content: string): string {
  const end = `<!-- /${name} -->`;
  const begin = [...text.matchAll(/<!-- (\S+): written by \S+ -->/g)].find(([, section]) => section === name);
  const to = text.indexOf(end);
  if (!begin || to < begin.index) throw new Error(`no section ${name}, which ends with ${end}`);
  return `${text.slice(0, begin.index)}${begin[0]}\n${content}\n${text.slice(to)}`;
}

/** Text without column alignment: formatters align a table, which does not change its content. */
export const unaligned = (text: string): string => text.replace(/ +/g, " ").replace(/-{3,}/g, "---");

/** Writes a changed section of a page, atomically; `page` is relative to the project. */
export function writeSection(page: string, name: string, content: string): void {
  const path = join(root, page);
  const before = readFileSync(path, "utf8");
  const after = withSection(before, name, content);
  if (unaligned(after) === unaligned(before)) return;
  writeFileSync(`${path}.tmp`, after);
  renameSync(`${path}.tmp`, path);
}

/** A Markdown table; a bar inside a cell is escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The anchor of a heading, as GitHub derives it. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(" ", "-");
