"""What is wrong with a page in a browser, for those who see, read, press and touch it otherwise."""

from playwright.sync_api import Locator, Page
from tests.web.contrast import FAINT

__all__ = [
    "SIZES",
    "faults_by_keyboard",
    "faults_in_colours",
    "faults_of",
    "faults_on_screen",
    "reach",
]

_UNLABELLED = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
  .filter((each) => each.type !== "hidden" && each.checkVisibility() && !each.ariaHidden
    && !(each.labels?.length || each.textContent.trim() || each.ariaLabel || each.title))
  .map((each) => `without a name: ${each.outerHTML}`)"""

# WCAG 2.2, 2.5.8: links in a sentence are excepted; a label is part of its control.
_SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input, select, summary")]
  .filter((each) => each.type !== "hidden" && each.checkVisibility()
    && !each.closest("p:not(.actions, .tools, .submit, .foot, .crumb), li .hint, .quiet, .skip"))
  .map((each) => [each, (each.closest("label") || each).getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24)
  .map(([each, box]) => `small: ${each.outerHTML.slice(0, 90)} ${box.width}x${box.height}`)"""

SIZES = """() => [...new Set([...document.querySelectorAll("body *")]
  .filter((each) => each.checkVisibility() && !each.closest("svg, .quiet, .hidden")
    && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((each) => getComputedStyle(each).fontSize))]"""

# Bodies and headers are shown as they are.
_BROKEN_WORDS = """() => {
  const broken = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    const apart = "pre, textarea, select, .headers, svg, .quiet, .hidden";
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(apart)) continue;
    for (const word of node.data.matchAll(/--[a-z-]+|[\\p{L}\\p{N}_.]+/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (tops.size > 1) broken.push(`broken: ${word[0]}`);
    }
  }
  return broken;
}"""

_STRUCTURE = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const wrong = [];
  const levels = all("h1, h2, h3, h4, h5, h6")
    .filter((each) => each.checkVisibility()).map((each) => Number(each.tagName[1]));
  if (levels.filter((each) => each === 1).length !== 1) wrong.push("not one h1");
  levels.forEach((level, place) => {
    if (level > (levels[place - 1] ?? 0) + 1) wrong.push(`a heading of level ${level} too early`);
  });
  const ids = all("[id]").map((each) => each.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`id twice: ${id}`);
  for (const name of ["for", "aria-labelledby", "aria-describedby"])
    for (const each of all(`[${name}]`))
      for (const id of each.getAttribute(name).split(" "))
        if (!document.getElementById(id)) wrong.push(`${name} leads nowhere: ${id}`);
  for (const each of all("th:not([scope])")) wrong.push(`th without a scope: ${each.textContent}`);
  for (const each of all("svg:not([aria-hidden=true], [role=img])")) wrong.push("svg of no role");
  for (const each of all("svg[role=img]"))
    if (!each.ariaLabel && !each.ariaLabelledByElements?.length && !each.querySelector("title"))
      wrong.push("a picture without a name");
  for (const each of all("nav, [role=search], [role=region], pre[tabindex]"))
    if (!each.ariaLabel && !each.ariaLabelledByElements?.length)
      wrong.push(`without a name: ${each.outerHTML.slice(0, 90)}`);
  for (const each of all("pre[aria-label]:not([role]), div[aria-label]:not([role])"))
    wrong.push(`a name without a role: ${each.outerHTML.slice(0, 90)}`);
  for (const each of all("[tabindex]"))
    if (each.tabIndex > 0) wrong.push(`out of order: ${each.outerHTML.slice(0, 90)}`);
  if (!document.documentElement.lang || !document.title.trim()) wrong.push("no language or title");
  if (all("main").length !== 1) wrong.push("not one main");
  return wrong;
}"""

_FIND_STOPS = """
  const kinds = "a[href], button:enabled, input:enabled, select, textarea, summary, [tabindex='0']";
  const seen = (each) => each.type !== "hidden" && each.tabIndex >= 0 && each.checkVisibility();
  const once = (each) => each.type !== "radio" || each.checked;
  const stops = [...document.querySelectorAll(kinds)].filter(seen).filter(once);
"""
_STOPS_TO = f"""(place) => {{{_FIND_STOPS}
  const here = document.activeElement;
  const before = stops.filter((each) => here !== document.body
    && each.compareDocumentPosition(here) & Node.DOCUMENT_POSITION_FOLLOWING).length;
  const is_stop = stops.includes(here);
  const found = stops.indexOf(place);
  return found < before ? found - before : found - before + (is_stop ? 0 : 1);
}}"""
_WATCH_FOCUS = f"""() => {{{_FIND_STOPS}
  window.stops = stops;
  window.reached = new Set();
  window.faint = [];
  document.addEventListener("focusin", ({{target}}) => {{
    reached.add(target);
    if (getComputedStyle(target).outlineStyle === "none") faint.push(target);
  }});
  const parts = stops.filter((each) => each.type === "datetime-local").length * 8;
  return stops.length + parts;
}}"""
_UNREACHED = """() => [
  ...stops.filter((each) => !reached.has(each)).map((each) => `unreached: ${each.outerHTML}`),
  ...faint.map((each) => `focus cannot be seen: ${each.outerHTML}`),
].map((each) => each.slice(0, 120))"""


def faults_of(page: Page) -> list[str]:
    """Return what is wrong whatever the screen: headings, names, references."""
    return [*page.evaluate(_STRUCTURE), *page.evaluate(_UNLABELLED)]


def faults_in_colours(page: Page) -> list[str]:
    """Return what is too faint in the colours that are in use."""
    found: list[str] = page.evaluate(FAINT)
    return found


def faults_on_screen(page: Page, width: int) -> list[str]:
    """Return what does not fit a screen of that width: broken words, small targets, scrolling."""
    page.set_viewport_size({"width": width, "height": 800})
    needed = page.evaluate("document.documentElement.scrollWidth")
    wide = [f"{needed} px wide"] if needed > width else []
    return [*wide, *page.evaluate(_BROKEN_WORDS), *page.evaluate(_SMALL_TARGETS)]


def faults_by_keyboard(page: Page) -> list[str]:
    """Press Tab from the top of the page to its end; return what that leaves out, or hides."""
    for _ in range(page.evaluate(_WATCH_FOCUS) + 3):
        page.keyboard.press("Tab")
    found: list[str] = page.evaluate(_UNREACHED)
    return found


def reach(page: Page, place: Locator) -> None:
    """Press Tab, or Shift and Tab, until a control has the focus."""
    stops = place.evaluate(_STOPS_TO)
    key = "Tab" if stops > 0 else "Shift+Tab"
    for _ in range(abs(stops)):
        page.keyboard.press(key)
    for _ in range(40):  # each part of a time is a stop of its own
        if place.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(place)
