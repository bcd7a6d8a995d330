import { describe, expect, test } from "vitest";
import { parseSource } from "./parse.ts";

const atom = (...entries: readonly string[]) =>
  `<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom">${entries.join("")}</feed>`;
const atomEntry = `<entry><id>http://arxiv.org/abs/2503.16428v2</id><published>2025-03-20T17:59:58Z</published>
  <title>XAttention: Block
   Sparse &amp; Fast</title><summary>  Long-context &lt;models&gt;. </summary><author><name>Ruyi Xu</name></author>
  <author><name>José Ñ</name></author><link href="http://arxiv.org/abs/2503.16428v2"/><category term="cs.CL"/></entry>`;

const rss = (...items: readonly string[]) =>
  `<?xml version='1.0'?><rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/"
   version="2.0"><channel><pubDate>Thu, 20 Mar 2025 00:00:00 -0400</pubDate>${items.join("")}</channel></rss>`;
const rssItem = (type: string, id = "2503.16428") => `<item><title>A &#233;tude</title>
  <link>https://arxiv.org/abs/${id}</link><guid isPermaLink="false">oai:arXiv.org:${id}v1</guid>
  <description>arXiv:${id}v1 Announce Type: ${type}
Abstract: One &lt;p&gt;two.</description><category>cs.CL</category><category>cs.LG</category>
  <arxiv:announce_type>${type}</arxiv:announce_type><dc:creator>Ann Bee, Cee Dee</dc:creator></item>`;

const daily = (more: object = {}, paper: object = {}) => ({
  paper: {
    ...{
      id: "2503.16428",
      title: "XAttention",
      summary: "Sparse\nattention.",
      authors: [{ name: "Ruyi Xu", hidden: false }],
    },
    ...{ publishedAt: "2025-03-20T13:59:58.000Z", submittedOnDailyAt: "2025-03-21T00:00:00.000Z", upvotes: 14 },
    ...{ githubRepo: "https://github.com/mit-han-lab/x-attention", projectPage: "javascript:alert(1)" },
    ...paper,
  },
  ...{ title: "XAttention", numComments: 2 },
  ...more,
});

describe("a source", () => {
  test("as arXiv's Atom", () => {
    const { papers, faults } = parseSource(atom(atomEntry, "<entry><id>http://x.org</id></entry>"));
    expect(papers).toMatchObject([
      {
        ...{ arxiv: "2503.16428", title: "XAttention: Block Sparse & Fast", abstract: "Long-context <models>." },
        ...{ authors: ["Ruyi Xu", "José Ñ"], authorCount: 2, published: "2025-03-20", listed: "2025-03-20" },
        ...{ votes: null, comments: null, links: ["https://arxiv.org/abs/2503.16428"], categories: ["cs.CL"] },
      },
    ]);
    expect(faults).toEqual([{ place: "entry 2", reason: 'expected an arXiv address as id, got "http://x.org"' }]);
  });

  test("as arXiv's RSS, in which a new version of an old paper is not listed", () => {
    const { papers } = parseSource(rss(rssItem("new"), rssItem("replace", "2401.00001")));
    expect(papers).toMatchObject([
      {
        ...{ arxiv: "2503.16428", title: "A étude", abstract: "One two.", authors: ["Ann Bee", "Cee Dee"] },
        ...{ listed: "2025-03-20", published: null, categories: ["cs.CL", "cs.LG"] },
      },
      { arxiv: "2401.00001", listed: null },
    ]);
  });

  test("as Hugging Face's JSON", () => {
    const { papers, faults } = parseSource(JSON.stringify([daily(), daily({}, { title: 7 }), daily({}, { id: "x" })]));
    expect(papers).toMatchObject([
      {
        ...{ arxiv: "2503.16428", abstract: "Sparse attention.", authors: ["Ruyi Xu"], votes: 14, comments: 2 },
        ...{ published: "2025-03-20", listed: "2025-03-21" },
        links: ["https://huggingface.co/papers/2503.16428", "https://github.com/mit-han-lab/x-attention"],
      },
      { arxiv: null },
    ]);
    const dropped = 'links: "javascript:alert(1)" is dropped, expected an http or https address';
    expect(faults).toEqual([
      { place: "entry 1", reason: dropped },
      { place: "entry 2", reason: "paper.title: expected a text" },
      { place: "entry 3", reason: dropped },
    ]);
  });

  test("as JSON lines, with null as unknown", () => {
    const lines = [
      '{"title":"A","arxiv":"arXiv:2401.00001v3","abstract":null,"votes":null}',
      ...["{", '{"title":" - "}', '{"title":"B","arxiv":"x"}', '{"title":"C","listed":"2025-02-30"}', '{"title":"D"}'],
    ];
    const { papers, faults } = parseSource(lines.join("\n"));
    expect(papers).toMatchObject([{ title: "A", arxiv: "2401.00001", abstract: "", votes: null }, { title: "D" }]);
    expect(faults.map(({ place }) => place)).toEqual(["line 2", "line 3", "line 4", "line 5"]);
    expect(faults[3]!.reason).toBe("listed: there is no such day");
  });

  test("with a bad link loses the link, and keeps the paper", () => {
    const links = ["https://example.org/a", "example.org/b", 7, "ftp://example.org/c", "https://example.org/d"];
    const { papers, faults } = parseSource(JSON.stringify({ title: "A", links }));
    expect(papers).toMatchObject([{ title: "A", links: ["https://example.org/a", "https://example.org/d"] }]);
    expect(faults).toEqual(
      ['"example.org/b"', "7", '"ftp://example.org/c"'].map((link) => ({
        place: "line 1",
        reason: `links: ${link} is dropped, expected an http or https address`,
      })),
    );
  });

  test.each([{ code: "ftp://x" }, "ftp://x", 7])(
    "whose links are %j, not a list, loses them, and keeps the paper",
    (links) => {
      const { papers, faults } = parseSource(JSON.stringify({ title: "A", links }));
      expect(papers).toMatchObject([{ title: "A", links: [] }]);
      const reason = `links: ${JSON.stringify(links)} is dropped, expected an http or https address`;
      expect(faults).toEqual([{ place: "line 1", reason }]);
    },
  );

  test.each([
    ["an XML bomb", '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa">]><feed>&a;</feed>', "document type"],
    ["broken XML", "<feed><entry></feed>", "this is not XML: line 1"],
    ["a web page", "<!DOCTYPE html><html></html>", "this is a web page"],
    ["other XML", "<svg/>", "expected an Atom or RSS feed, got <svg>"],
    ["broken JSON", "[{]", "this is not JSON"],
    ["other text", "Hello.", "there are no papers in it"],
    ["nothing", " \n", "it is empty"],
  ])("that is %s is refused", (_, text, message) => {
    expect(() => parseSource(text)).toThrow(message);
  });
});
