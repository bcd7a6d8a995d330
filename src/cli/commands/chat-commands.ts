import { existsSync } from "node:fs";
import type { ChatMessage } from "../../index.ts";
import { suggest, UserError } from "../../util/errors.ts";
import { writeJson } from "../../util/write-whole.ts";

/** A conversation, as chat commands see it. */
export interface Talk {
  /** The turns so far, oldest first. */
  messages: ChatMessage[];
  /** The image files in `messages`, in order, and then the next turn's images. */
  images: string[];
  /** True if the model reads images. */
  readonly sees: boolean;
  /** True if each turn is sent on its own, because the adapter was trained on plain text, not on chats. */
  readonly plain: boolean;
  /** The model's name. */
  readonly model: string;
  /** Changes the model. @throws UserError if it cannot be loaded; the old model then remains */
  change(model: string, signal: AbortSignal): Promise<void>;
}

interface ChatCommand {
  usage: string;
  summary: string;
  /** Returns a message for the user. @throws UserError */
  run(talk: Talk, argument: string, signal: AbortSignal): string | Promise<string>;
}

const commands: Readonly<Record<string, ChatCommand>> = {
  help: { usage: "/help", summary: "list the commands", run: help },
  model: { usage: "/model [MODEL]", summary: "show the model, or change it; the conversation stays", run: model },
  image: {
    usage: "/image FILE",
    summary: "put an image before the next turn, for a model that reads images",
    run: image,
  },
  save: { usage: "/save FILE", summary: "save the conversation as JSON for chat completions", run: save },
  clear: { usage: "/clear", summary: "clear the conversation", run: clear },
  quit: { usage: "/quit", summary: "leave (also /exit, /bye and Ctrl-D)", run: () => "" },
};

/** True if a line is a command to leave the chat. */
export const leaves = (line: string): boolean => /^\/(quit|exit|bye)$/.test(line);

/** True if a line is a command, and not a path that begins with a slash. */
export const isCommand = (line: string): boolean => /^\/[a-z]*(\s|$)/i.test(line);

/** Runs a command, and returns a message for the user. @throws UserError */
export async function obey(line: string, talk: Talk, signal: AbortSignal): Promise<string> {
  const [, name = "", argument = ""] = /^\/(\S*)\s*(.*)$/s.exec(line) ?? [];
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw new UserError(`there is no command /${name}${suggest(name, Object.keys(commands))}; see /help`);
  return await command.run(talk, argument.trim(), signal);
}

function help(): string {
  const width = Math.max(...Object.values(commands).map(({ usage }) => usage.length));
  return Object.values(commands)
    .map(({ usage, summary }) => `${usage.padEnd(width)}  ${summary}`)
    .join("\n");
}

async function model(talk: Talk, name: string, signal: AbortSignal): Promise<string> {
  if (name !== "") await talk.change(name, signal);
  return `the model is ${talk.model}`;
}

function image(talk: Talk, file: string): string {
  if (file === "") throw new UserError("expected a file: /image FILE");
  if (!talk.sees) throw new UserError(`${talk.model} reads only text; expected a model that reads images`);
  if (!existsSync(file)) throw new UserError(`${file}: there is no such file; expected an image`);
  talk.images = [...talk.images, file];
  return `${file} will be sent with your next turn`;
}

/** The number of images in earlier turns. */
export const imagesIn = (messages: readonly ChatMessage[]): number =>
  messages.reduce((sum, { content }) => sum + (Array.isArray(content) ? content.filter(isPlace).length : 0), 0);

const isPlace = (part: unknown): boolean =>
  typeof part === "object" && part !== null && "type" in part && part.type === "image";

async function save({ model, messages }: Talk, file: string): Promise<string> {
  if (imagesIn(messages) > 0) throw new UserError("a chat with images cannot be saved");
  if (file === "") throw new UserError("expected a file: /save FILE");
  if (existsSync(file)) throw new UserError(`${file} already exists; expected a new file`);
  await writeJson(file, { model, messages });
  return `saved ${messages.length} messages in ${file}`;
}

function clear(talk: Talk): string {
  talk.messages = [];
  talk.images = [];
  return "forgotten";
}
