import { type Receipt, type RerankPipeline, UserError } from "modicum";
import { expect, test } from "vitest";
import { Reranking } from "./rerank.ts";
import { servePapers } from "./serve.ts";
import { openSite } from "./site.testing.ts";

/** A reranker that reverses its list, and counts its calls. */
function reversing() {
  const [calls, billed]: [string[][], Receipt[]] = [[], []];
  const receipt = { id: "r1", model: "tiny+first", flops: { spent: 5e6 }, ms: { total: 3 } };
  const rerank = async (_: string, texts: string[]) => {
    calls.push(texts);
    return { order: texts.map((_, i) => texts.length - 1 - i), windows: [], receipt };
  };
  const pipeline = { rerank, dispose() {} } as unknown as RerankPipeline;
  const reranking = new Reranking(
    async () => pipeline,
    async (receipt) => void billed.push(receipt),
  );
  return { reranking, calls, billed };
}

test("a link lets a model order the results, once for each list; without a model, the search's order stays and the page says why", async () => {
  const { reranking, calls, billed } = reversing();
  const papers = ["one", "two", "three"].map((title) => ({ title: `Layers ${title}`, abstract: "Layers." }));
  const { close, visitor } = await openSite(papers, reranking);
  const titles = (text: string) => [...text.matchAll(/<h2><a[^>]*>([^<]+)/g)].map(([, title]) => title);
  const plain = (await visitor().get("/search?q=layers")).text;
  expect(plain).toContain('href="/search?q=layers&amp;rerank=1"');
  expect(plain).toContain("3 papers for “layers”, the closest first.");
  for (let i = 0; i < 2; i++) {
    const { text } = await visitor().get("/search?q=layers&rerank=1");
    expect(titles(text)).toEqual(titles(plain).reverse());
    expect(text).toContain("3 papers for “layers”.");
    expect(text).toContain("tiny+first spent 5.0 MFLOP in 3 ms");
  }
  expect(calls).toHaveLength(1);
  expect(billed).toHaveLength(1);
  await close();
  const broken = await openSite(
    papers,
    new Reranking(
      () => Promise.reject(new UserError("there is no network")),
      async () => {},
    ),
  );
  const { text } = await broken.visitor().get("/search?q=layers&rerank=1");
  expect(text).toContain("no model can order these papers: there is no network");
  expect(titles(text)).toEqual(titles(plain));
  await broken.close();
});

test.each([
  ["nope", 'no model is called "nope"'],
  ["nope+first", 'no model is called "nope"'],
  ["smollm2+first@presort=nope", 'no model is called "nope"'],
])("a reranker called %s is refused before the server listens", async (reranker, reason) => {
  const { close, site } = await openSite([]);
  const serving = servePapers(site, { host: "127.0.0.1", port: 0, reranker }, () => {});
  const message = expect.stringContaining(`--reranker: ${reason}`);
  await expect(serving).rejects.toMatchObject({ message, exitCode: 2 });
  await close();
});
