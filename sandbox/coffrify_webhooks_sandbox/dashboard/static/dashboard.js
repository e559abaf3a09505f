// What neither HTML nor htmx does: copy, advance the clock, and say how long ago things were.
document.documentElement.classList.add("js");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  const message = document.getElementById("copied");
  if (source.select) source.select();
  else getSelection().selectAllChildren(source);
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    button.textContent = message.textContent = "Copied";
  } catch {
    button.textContent = message.textContent = "Selected: press Ctrl+C";
  }
});

// As `length` in wording.py.
const length = (seconds) => {
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours >= 10 || minutes % 60 === 0
    ? `${Math.round(seconds / 3600)} h` : `${hours} h ${minutes % 60} min`;
};
const show = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

const began = new WeakMap();
setInterval(() => {
  const clock = document.getElementById("clock");
  if (!clock) return;
  if (!began.has(clock)) began.set(clock, performance.now());
  const passed = (performance.now() - began.get(clock)) * Number(clock.dataset.speed);
  const now = Number(clock.dataset.now) + passed / 1000;
  show(clock.querySelector("time"), new Date(now * 1000).toISOString().slice(0, 19).replace("T", " "));
  for (const each of document.querySelectorAll("time[data-at]")) {
    const age = now - Number(each.dataset.at);
    show(each, age >= 0 ? `${length(age)} ago` : `in ${length(-age)}`);
  }
}, 250);
