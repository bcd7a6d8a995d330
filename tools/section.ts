import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The project's folder. */
export const root = join(import.meta.dirname, "..");

/**
 * `text` with `content` between the comments that mark the section `name`; the first also says what writes it.
 * @throws if it has no such section
 */
export function withSection(text: string, name: string, content: string): string {
  const end = `<!-- /${name} -->`;
  const begin = [...text.matchAll(/<!-- (\S+): written by \S+ -->/g)].find(([, section]) => section === name);
  const to = text.indexOf(end);
  if (!begin || to < begin.index) throw new Error(`no section ${name}, which ends with ${end}`);
  return `${text.slice(0, begin.index)}${begin[0]}\n${content}\n${text.slice(to)}`;
}

/** Writes a section of a page, aside and then renamed; `page` is relative to the project. */
export function writeSection(page: string, name: string, content: string): void {
  const path = join(root, page);
  writeFileSync(`${path}.tmp`, withSection(readFileSync(path, "utf8"), name, content));
  renameSync(`${path}.tmp`, path);
}

/** A Markdown table; a bar inside a cell is escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
