import { expect } from "vitest";

/** Machines round differently, so a measured difference may exceed the table's by this factor. */
const SLACK = 5;

const formats = ["safetensors", "GGUF"] as const;

/**
 * The table between `<!-- parity: NAME -->` and `<!-- end -->` of a page: one row per fixture, one column per format, with
 * the largest differences.
 */
export class Parity {
  readonly #begin: number;
  readonly #end: number;

  constructor(
    private readonly page: string,
    name: string,
  ) {
    const mark = `<!-- parity: ${name} -->\n`;
    this.#begin = page.indexOf(mark) + mark.length;
    this.#end = page.indexOf("<!-- end -->", this.#begin);
    expect(page).toContain(mark);
  }

  /** Fails if the table lacks the fixture in this format, or states a difference far below the measured one. */
  check(fixture: string, format: string, measured: number): void {
    const row = this.page
      .slice(this.#begin, this.#end)
      .split("\n")
      .map((line) => line.split("|").map((cell) => cell.trim()))
      .find((cells) => cells[1] === `\`${fixture}\``);
    const stated = Number(row?.[2 + formats.indexOf(format as (typeof formats)[number])]);
    expect(stated, `docs/reference/models.md on ${fixture}, ${format}`).toBeGreaterThan(0);
    expect(measured, `${fixture}, ${format}, of which docs/reference/models.md says ${stated}`).toBeLessThanOrEqual(
      SLACK * stated,
    );
  }

  /** Returns the page with measured values, which are keyed by fixture and format. */
  with(fixtures: readonly string[], measured: ReadonlyMap<string, number>): string {
    const cell = (key: string) => measured.get(key)?.toExponential(0) ?? "–";
    const rows = fixtures.map((f) => `| \`${f}\` | ${formats.map((format) => cell(`${f} ${format}`)).join(" | ")} |`);
    const table = [`| fixture | ${formats.join(" | ")} |`, "|---|--:|--:|", ...rows, ""].join("\n");
    return this.page.slice(0, this.#begin) + table + this.page.slice(this.#end);
  }
}
