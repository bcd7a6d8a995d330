import { expect, test } from "vitest";
import { AdapterUse } from "./adapter-use.ts";

test("an adapter's waiting and running counts follow its requests, in any order", () => {
  const use = new AdapterUse();
  const [first, second] = [use.request("sku"), use.request("sku")];
  expect([use.waiting, use.running]).toEqual([["sku"], []]);
  first.begin();
  first.begin();
  expect([use.waiting, use.running]).toEqual([["sku"], ["sku"]]);
  second[Symbol.dispose]();
  second[Symbol.dispose]();
  expect([use.waiting, use.running]).toEqual([[], ["sku"]]);
  const other = use.request("poet");
  expect(use.waiting).toEqual(["poet"]);
  other.begin();
  expect(use.running).toEqual(["poet", "sku"]);
  first[Symbol.dispose]();
  first.begin();
  expect(use.running).toEqual(["poet"]);
});
