/** The papers application, as the command line sees it. */

export { runJobs, untilStopped } from "./src/jobs.ts";
export { Mailing } from "./src/mail/mail.ts";
export { mailOptions } from "./src/mail/options.ts";
export { importOptions, openOptions, watchOptions } from "./src/options.ts";
export { type Imported, openPapers, type Papers } from "./src/papers.ts";
export { summaryOptions } from "./src/summaries.ts";
export { keepSummarising, watch } from "./src/watch.ts";
export { serveOptions, servePapers } from "./web/serve.ts";
