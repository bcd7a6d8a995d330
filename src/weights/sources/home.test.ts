import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { withEnv } from "./helpers.testing.ts";
import {
  defaultHome,
  home,
  hubFolder,
  lockFile,
  modelFolder,
  modelsFolder,
  programsFolder,
  receiptsFile,
} from "./home.ts";

describe("the default home", () => {
  test.each([
    ["linux", {}, "/home/u/.cache/modicum"],
    ["linux", { XDG_CACHE_HOME: "/big/cache" }, "/big/cache/modicum"],
    ["linux", { XDG_CACHE_HOME: "relative" }, "/home/u/.cache/modicum"],
    ["linux", { XDG_CACHE_HOME: "" }, "/home/u/.cache/modicum"],
    ["darwin", { XDG_CACHE_HOME: "/big/cache" }, "/home/u/Library/Caches/modicum"],
    ["win32", { LOCALAPPDATA: "/home/u/Local" }, "/home/u/Local/modicum"],
    ["win32", {}, "/home/u/AppData/Local/modicum"],
  ] as const)("on %s with %j is %s", (platform, env, path) => {
    expect(defaultHome(platform, env, "/home/u")).toBe(join(path));
  });
});

test("MODICUM_HOME goes before it, and an empty one does not", () => {
  withEnv({ MODICUM_HOME: "some/folder" });
  expect(home()).toBe(resolve("some/folder"));
  expect(receiptsFile()).toBe(resolve("some/folder/receipts.db"));
  expect(programsFolder()).toBe(resolve("some/folder/programs"));
  process.env["MODICUM_HOME"] = "";
  expect(home()).toMatch(/modicum$/);
});

describe("the hub's cache", () => {
  const none = { HF_HUB_CACHE: "", HUGGINGFACE_HUB_CACHE: "", HF_HOME: "", MODICUM_HOME: "", XDG_CACHE_HOME: "/x" };
  test.each([
    [{}, "/x/huggingface/hub"],
    [{ MODICUM_HOME: "/m" }, "/m/huggingface/hub"],
    [{ MODICUM_HOME: "/m", HF_HOME: "/h" }, "/h/hub"],
    [{ HF_HOME: "/h", HF_HUB_CACHE: "/c" }, "/c"],
    [{ HF_HOME: "/h", HUGGINGFACE_HUB_CACHE: "/old" }, "/old"],
  ])("with %j is %s", (env, path) => {
    withEnv({ ...none, ...env });
    expect(hubFolder()).toBe(resolve(path));
  });
});

test("a model's folder lies in the models folder, one for each name", () => {
  const names = ["smollm2", "pypi:a:b/c", "pypi:a:b--c", "pypi:a", "..", ".", "", "../x", "a\\b", "%2E", "%2E."];
  const folders = names.map(modelFolder);
  for (const folder of folders) expect(join(folder, "..")).toBe(modelsFolder());
  expect(new Set(folders.filter((folder) => folder !== modelFolder(""))).size).toBe(names.length - 2);
  expect(join(lockFile(".."), "..")).toBe(join(home(), "locks"));
});
