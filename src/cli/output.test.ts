import { expect, test } from "vitest";
import { columns } from "./output.ts";

test("columns are as wide as their contents, and names in them cannot control the terminal", () => {
  const rows = [
    ["NAME", "SIZE"],
    ["a\x1b[31m", "1"],
    ["longer name", "2\n"],
  ];
  expect(columns(rows)).toEqual(["NAME         SIZE", "a\\u001b[31m  1", "longer name  2\\u000a"]);
});
