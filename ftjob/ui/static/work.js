// What makes these pages pleasant; all of them work without it.
"use strict";

// Asks how far a job is, and shows its page when it is done.
const progress = document.querySelector("[data-poll]");
async function poll() {
  try {
    const answer = await fetch(progress.dataset.poll);
    const found = answer.ok ? await answer.json() : { done: true };
    if (found.done) { location.reload(); return; }
    if (progress.textContent !== found.progress) progress.textContent = found.progress;
  } catch {
    progress.textContent = "the connection is lost: trying again";
  }
  setTimeout(poll, 700);
}
if (progress) setTimeout(poll, 300);

// A picture that is dropped anywhere is chosen and sent.
const form = document.querySelector("form[data-drop]");
if (form) {
  const input = form.querySelector("input[type=file]");
  addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("dragging");
  });
  addEventListener("dragleave", () => form.classList.remove("dragging"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("dragging");
    if (event.dataTransfer.files.length === 0) return;
    input.files = event.dataTransfer.files;
    form.requestSubmit();
  });
}
const answered = document.querySelector("#answer, #problems, .problem[role=alert]");
if (answered && answered.tabIndex === -1) answered.focus({ preventScroll: true });
