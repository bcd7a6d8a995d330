/** Writes lines of a command's result to stdout. */
export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Rows as columns two spaces apart, the last one ragged. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}

/** `93.4 MB`: decimal, as disks and networks are sold. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
