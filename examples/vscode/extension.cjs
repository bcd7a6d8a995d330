"use strict";

const vscode = require("vscode");
const { CompletionClient } = require("./client.cjs");

/** Called by the editor once it has started. */
function activate(context) {
  const log = vscode.window.createOutputChannel("Modicum");
  const completions = new InlineCompletions(log);
  const changed = vscode.workspace.onDidChangeConfiguration(() => completions.configure());
  const everywhere = vscode.languages.registerInlineCompletionItemProvider({ pattern: "**" }, completions);
  context.subscriptions.push(log, changed, everywhere);
}

class InlineCompletions {
  #log;
  #client;
  /** The last logged receipt. */
  #logged;

  constructor(log) {
    this.#log = log;
    this.configure();
  }

  configure() {
    const settings = vscode.workspace.getConfiguration("modicum");
    const names = ["server", "apiKey", "model", "savings", "pause", "maxTokens"];
    this.#client = new CompletionClient(Object.fromEntries(names.map((name) => [name, settings.get(name)])));
  }

  /** The completion at the cursor; none if another key comes first, or the server fails. */
  async provideInlineCompletionItems(document, position, _context, token) {
    const controller = new AbortController();
    token.onCancellationRequested(() => controller.abort());
    try {
      const shown = await this.#client.complete(...around(document, position), controller.signal);
      if (!shown?.text) return [];
      this.#logCost(shown.receipt);
      return [new vscode.InlineCompletionItem(shown.text, new vscode.Range(position, position))];
    } catch (error) {
      if (!controller.signal.aborted) this.#log.appendLine(error.message);
      return [];
    }
  }

  #logCost({ id, tokens, flops }) {
    if (id === this.#logged) return;
    this.#logged = id;
    const share = Math.round((100 * flops.spent) / flops.dense);
    this.#log.appendLine(`${tokens.completion} tokens, ${share} % of dense's FLOPs`);
  }
}

/** The text before and after a position. */
function around(document, position) {
  const text = document.getText();
  const at = document.offsetAt(position);
  return [text.slice(0, at), text.slice(at)].map((part) => part.replaceAll("\r\n", "\n"));
}

module.exports = { activate };
