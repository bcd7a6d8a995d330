/**
 * The pages' only script, beyond links and forms: j and k move between papers, / focuses the search field, results
 * update while typing, and a paper's button changes only that paper. Everything works without it.
 */
export const SCRIPT = `
"use strict";
const inField = (target) => target.closest("input, select, textarea") !== null;
const links = () => [...document.querySelectorAll("article h2 a")];

function step(by) {
  const all = links();
  const now = document.activeElement && document.activeElement.closest("article");
  const at = all.findIndex((link) => link.closest("article") === now);
  const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
  if (next) { next.focus(); next.closest("article").scrollIntoView({ block: "nearest" }); }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "/") { event.preventDefault(); document.querySelector("#q").focus(); }
});

const parsed = async (response) => new DOMParser().parseFromString(await response.text(), "text/html");

function swap(from, selector) {
  const [next, now] = [from.querySelector(selector), document.querySelector(selector)];
  if (next && now) now.replaceWith(next);
  return next && now;
}

let typing, asked;
document.addEventListener("input", (event) => {
  if (event.target.id !== "q" || !document.querySelector("#results")) return;
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const url = new URL(event.target.form.action);
    const query = event.target.value.trim();
    for (const [name, value] of new URLSearchParams(location.search)) if (name !== "rerank") url.searchParams.set(name, value);
    url.searchParams.set("q", query);
    if (asked) asked.abort();
    asked = new AbortController();
    try {
      const response = await fetch(url, { signal: asked.signal });
      if (!response.ok) return;
      swap(await parsed(response), "#results");
      history.replaceState(null, "", url);
    } catch (error) { if (error.name !== "AbortError") throw error; }
  }, 200);
});

document.addEventListener("submit", async (event) => {
  const [form, button] = [event.target, event.submitter];
  const own = form.closest("article[id], #marks");
  if (form.method !== "post" || !own) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form));
  if (button && button.name) body.set(button.name, button.value);
  const response = await fetch(form.action, { method: "POST", body });
  const page = await parsed(response);
  if (!response.ok || !swap(page, "#" + CSS.escape(own.id))) { location.reload(); return; }
  const again = [...document.getElementById(own.id).querySelectorAll("button")];
  const same = again.find((one) => one.dataset.action === (button && button.dataset.action)) || again[0];
  if (same) same.focus();
});
`;
