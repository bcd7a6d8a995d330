/** Sends what is due once, in a process of its own: the store's file, the mail server, the time. */
import { openStore } from "../store.ts";
import { Mailing } from "./mail.ts";

const [file, smtp, now] = process.argv.slice(2) as [string, string, string];
const store = await openStore(file);
await new Mailing(store, { smtp, from: "papers@example.org", url: "https://papers.example.org" }).round(Number(now));
await store.close();
