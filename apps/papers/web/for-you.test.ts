import { expect, test } from "vitest";
import { openSite } from "./site.testing.ts";

test("papers like the saved ones are recommended with their reason; with too few saved, a sentence says how many more", async () => {
  const kinds = ["attention", "vision"];
  const titles = Array.from({ length: 12 }, (_, i) => `${kinds[i % 2]} ${i}`);
  const { papers, visitor, close } = await openSite(titles.map((title) => ({ title, listed: "2025-12-10" })));
  // Tests do not load MiniLM: a paper's vector encodes its kind.
  const vectorOf = (id: string) => Float32Array.from(id.startsWith("attention") ? [0.96, 0.28] : [0.28, 0.96]);
  Object.assign(papers, { vectorsOf: async (ids: string[]) => new Map(ids.map((id) => [id, vectorOf(id)])) });
  const reader = visitor();
  expect((await reader.get("/for-you")).text).toContain("You have saved no papers so far. Save 3 more");
  await reader.get("/");
  for (const i of [0, 2, 4]) await reader.post(`/papers/attention-${i}/marks`, { mark: "on:save" });
  const { text } = await reader.get("/for-you");
  const shown = [...text.matchAll(/<h2><a[^>]*>([^<]+)/g)].map(([, title]) => title!);
  expect(shown.slice(0, 3).map((title) => title.split(" ")[0])).toEqual(["attention", "attention", "attention"]);
  expect(text).toMatch(/Because you saved <a href="\/papers\/attention-\d">attention \d<\/a>/);
  await reader.post(`/papers/${shown[0]!.replace(" ", "-")}/marks`, { mark: "on:read" });
  expect((await reader.get("/for-you")).text).not.toContain(`<h2><a href="/papers/${shown[0]!.replace(" ", "-")}"`);
  expect((await visitor().get("/for-you")).text).toContain("You have saved no papers so far");
  await close();
});
