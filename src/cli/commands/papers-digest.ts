import type { Command } from "commander";
import type { Mailing, Papers } from "../../../apps/papers/index.ts";
import { printable } from "../../util/printable.ts";
import { warn } from "../errors.ts";
import { addFlags, readFlags } from "../flags.ts";
import { examples } from "../help.ts";
import { print, printJson } from "../output.ts";
import { loadPapers, papersFolder } from "../papers.ts";

type Flags = Readonly<Record<string, unknown>>;

export async function define(command: Command): Promise<void> {
  addFlags(command, (await loadPapers()).openOptions);
  (await addMailFlags(command)).option("--json", "print one JSON object").action(digest);
  examples(command, "modicum papers digest --from papers@example.org");
}

/** Adds the mail flags; the environment may hold a server's password. */
export async function addMailFlags(command: Command): Promise<Command> {
  const { mailOptions } = await loadPapers();
  return addFlags(command, mailOptions);
}

/** The mail settings from the flags. @throws UserError */
export async function mailFrom({ store }: Papers, flags: Flags): Promise<Mailing> {
  const { Mailing, mailOptions } = await loadPapers();
  const smtp = process.env["MODICUM_PAPERS_SMTP"];
  const options = readFlags(mailOptions, { ...(smtp && { smtp }), ...flags });
  return new Mailing(store, options, (sentence) => warn(printable(sentence)));
}

/** Sends the due digests once. */
async function digest(flags: Flags): Promise<void> {
  const { openOptions, openPapers } = await loadPapers();
  await using papers = await openPapers({ folder: papersFolder(), ...readFlags(openOptions, flags) });
  const mailing = await mailFrom(papers, flags);
  const sent = await mailing.round();
  if (flags["json"]) printJson(sent);
  else
    print(
      Object.entries(sent)
        .map(([state, mails]) => `${mails} ${state}`)
        .join(", "),
    );
  if (sent.postponed > 0) process.exitCode = 1;
}
