import { defineConfig } from "vitepress";
import { anchorOf } from "../../tools/section.ts";
import { sections } from "./sections.ts";

export default defineConfig({
  title: "Modicum",
  description: "Runs language models on CPUs and spends only the compute that each input needs",
  head: [["link", { rel: "icon", href: "data:," }]],
  srcDir: "pages",
  cleanUrls: true,
  lastUpdated: false,
  markdown: { anchor: { slugify: anchorOf } },
  themeConfig: {
    sidebar: sections.map(({ items, ...section }) => ({ ...section, items: [...items] })),
    outline: [2, 3],
    search: { provider: "local" },
  },
});
