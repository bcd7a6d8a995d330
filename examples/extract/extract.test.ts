import assert from "node:assert/strict";
import { test } from "node:test";
import { extract } from "./extract.ts";

test("an order's fields are read from a text", async () => {
  assert.deepEqual(await extract("Please send three boxes to Ada in Lisbon."), {
    customer: "Ada",
    city: "Lisbon",
    item: "boxes",
    count: 3,
  });
});
