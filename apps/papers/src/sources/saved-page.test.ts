import { describe, expect, test } from "vitest";
import { parseSavedPage } from "./saved-page.ts";

const entry = (title: string, date: string, abstract = `The abstract of ${title}.`) =>
  `${title}\n\n${abstract}\n\n  • 3 authors\n·\n${date}\n\n`;
const page = (...entries: readonly string[]) =>
  `Daily Papers\n\nbyAK and the research community\n\nDec 10\n\n${entries.join("")}`;
const read = (...dates: readonly string[]) =>
  parseSavedPage(page(...dates.map((date, i) => entry(`Paper ${i}`, date))));

describe("a saved page", () => {
  test("has titles, abstracts, numbers of authors, days and comments", () => {
    const { papers, faults } = read("Dec 17, 2024 2", "Nov 8, 2024");
    expect(faults).toEqual([]);
    expect(papers).toEqual([
      {
        ...{ title: "Paper 0", abstract: "The abstract of Paper 0.", authorCount: 3, comments: 2 },
        ...{ published: "2024-12-17", yearAssumed: false, listed: "2025-12-10" },
        ...{ arxiv: null, authors: null, votes: null, links: [], categories: [] },
      },
      expect.objectContaining({ title: "Paper 1", published: "2024-11-08", comments: 0 }),
    ]);
  });

  test("reads a number after a day as comments, not as a year", () => {
    expect(read("Nov 8, 2024", "Mar 20 2").papers[1]).toMatchObject({ published: "2025-03-20", comments: 2 });
    expect(read("Nov 8, 2024", "Mar 20").papers[1]).toMatchObject({ published: "2025-03-20", comments: 0 });
  });

  test("assigns dates without a year the one after the page's newest, or the requested one", () => {
    const text = page(entry("A", "Nov 8, 2022"), entry("B", "Dec 17, 2023"), entry("C", "Jan 21"));
    const days = (year?: number) => parseSavedPage(text, { year }).papers.map(({ published }) => published);
    expect(days()).toEqual(["2022-11-08", "2023-12-17", "2024-01-21"]);
    expect(days(2031)).toEqual(["2022-11-08", "2023-12-17", "2031-01-21"]);
    expect(parseSavedPage(text, { year: 2031 }).papers[2]).toMatchObject({ yearAssumed: true, listed: "2031-12-10" });
  });

  test("does not ask the clock for a year", () => {
    expect(() => read("Jan 21")).toThrow("no date of this page has a year; set it with --year");
  });

  test("has no list day without a date before the first title", () => {
    const { papers } = parseSavedPage(`Daily Papers\n\n${entry("A", "Nov 8, 2022")}`);
    expect(papers).toMatchObject([{ title: "A", listed: null }]);
  });

  test("reports a broken entry with its line, and reads the others", () => {
    const unended = "Lost\n\nAn abstract whose end is missing.\n\n";
    const text = page(
      ...[entry("A", "Nov 8, 2022"), entry("B", "Nov 32, 2022"), unended, entry("C", "Mar 5")],
      ...["  • 3 authors\n·\nMar 6\n\n", entry("D", "soon"), entry("E", "Mar 7 1")],
    );
    const { papers, faults } = parseSavedPage(text);
    expect(papers.map(({ title }) => title)).toEqual(["A", "C", "E"]);
    expect(faults).toEqual([
      { place: "line 15", reason: "published: there is no such day" },
      { place: "line 23", reason: '"Lost" does not end with a number of authors and a date' },
      { place: "line 35", reason: "there is no title before the number of authors" },
      {
        place: "line 39",
        reason: 'expected "·" and a date such as Dec 17, 2024 after the authors, got "soon"',
      },
    ]);
  });

  test("reports a truncated entry at the end", () => {
    const { papers, faults } = parseSavedPage(`${page(entry("A", "Nov 8, 2022"))}B\n\nIts abst`);
    expect(papers).toHaveLength(1);
    expect(faults).toMatchObject([{ place: "line 15" }]);
  });

  test("keeps an empty abstract empty", () => {
    const { papers } = parseSavedPage(page(entry("A", "Nov 8, 2022"), entry("B", "Nov 9, 2022", "")));
    expect(papers[1]).toMatchObject({ title: "B", abstract: "" });
  });
});
