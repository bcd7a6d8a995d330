import { UserError } from "../util/errors.ts";
import { printable } from "../util/printable.ts";
import { DISK_FULL } from "../util/system-errors.ts";

/** The reason why a command's result cannot be written to stdout. */
export const unwritten = ({ code, message }: NodeJS.ErrnoException): UserError =>
  new UserError(`cannot write to stdout: ${code === "ENOSPC" ? DISK_FULL : message}`);

/** Writes lines of a command's result to stdout. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Aligns rows in columns two spaces apart; names in them cannot control the terminal. */
export function columns(cells: readonly (readonly string[])[]): string[] {
  const rows = cells.map((row) => row.map(printable));
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

/** `93.4 MB`: decimal, as for disks and networks. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
