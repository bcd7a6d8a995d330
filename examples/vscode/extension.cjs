"use strict";

const vscode = require("vscode");
const { CompletionClient } = require("./client.cjs");

/** Called by the editor once it has started. */
function activate(context) {
  const log = vscode.window.createOutputChannel("Modicum");
  const provider = { provideInlineCompletionItems: (...asked) => itemsAt(log, ...asked) };
  const everywhere = { pattern: "**" };
  context.subscriptions.push(log, vscode.languages.registerInlineCompletionItemProvider(everywhere, provider));
}

/** The completion at the cursor; none if another key comes first, or the server fails. */
async function itemsAt(log, document, position, _context, token) {
  const controller = new AbortController();
  token.onCancellationRequested(() => controller.abort());
  try {
    const [before, after] = around(document, position);
    const shown = await new CompletionClient(settings()).complete(before, after, controller.signal);
    if (!shown?.text) return [];
    const { spent, dense } = shown.receipt.flops;
    log.appendLine(
      `${shown.receipt.tokens.completion} tokens, ${Math.round((100 * spent) / dense)} % of dense's FLOPs`,
    );
    return [new vscode.InlineCompletionItem(shown.text, new vscode.Range(position, position))];
  } catch (error) {
    if (!controller.signal.aborted) log.appendLine(error.message);
    return [];
  }
}

/** The text before and after a position. */
function around(document, position) {
  const text = document.getText();
  const at = document.offsetAt(position);
  return [text.slice(0, at), text.slice(at)].map((part) => part.replaceAll("\r\n", "\n"));
}

function settings() {
  const given = vscode.workspace.getConfiguration("modicum");
  const names = ["server", "apiKey", "model", "savings", "pause", "maxTokens"];
  return Object.fromEntries(names.map((name) => [name, given.get(name)]));
}

module.exports = { activate };
