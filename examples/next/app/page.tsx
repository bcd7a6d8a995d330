"use client";

import { type FormEvent, useState } from "react";

export default function Page() {
  const [answer, setAnswer] = useState("");

  async function ask(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const question = new FormData(event.currentTarget).get("question");
    const response = await fetch("/api/chat", { method: "POST", body: String(question) });
    setAnswer("");
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) setAnswer((before) => before + text);
  }

  return (
    <form onSubmit={ask}>
      <label>
        Question <input name="question" required />
      </label>
      <button type="submit">Ask</button>
      <output>{answer}</output>
    </form>
  );
}
