// What neither HTML nor htmx does: copy a secret, and advance the clock.
document.documentElement.classList.add("js");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.querySelector(button.dataset.copy);
  const message = document.getElementById("copied");
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    message.textContent = "Copied.";
  } catch {
    message.textContent = "The secret is selected: copy it with the keyboard.";
  }
});

const began = new WeakMap();
setInterval(() => {
  const clock = document.getElementById("clock");
  if (!clock) return;
  if (!began.has(clock)) began.set(clock, performance.now());
  const passed = (performance.now() - began.get(clock)) * Number(clock.dataset.speed);
  const now = new Date(Number(clock.dataset.now) * 1000 + passed);
  const text = now.toISOString().slice(0, 19).replace("T", " ");
  const shown = clock.querySelector("time");
  if (shown.textContent !== text) shown.textContent = text;
}, 250);
