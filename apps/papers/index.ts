/** The application of papers, as the command line sees it. */

export { openPapers, type Papers } from "./src/papers.ts";
export { serveOptions, servePapers } from "./web/serve.ts";
