"""What is wrong with a page, as JavaScript that returns a list of it."""

__all__ = ["BROKEN_WORDS", "SIZES", "SMALL_TARGETS", "UNLABELLED"]

UNLABELLED = """() => [...document.querySelectorAll("a, button, input, select, textarea")]
  .filter((each) => each.type !== "hidden" && each.checkVisibility() && !each.ariaHidden
    && !(each.labels?.length || each.textContent.trim() || each.ariaLabel || each.title))
  .map((each) => each.outerHTML)"""

# WCAG 2.2, 2.5.8: links in a sentence are excepted; a label is part of its control.
SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input, select, summary")]
  .filter((each) => each.type !== "hidden" && each.checkVisibility()
    && !each.closest("p:not(.actions, .tools, .submit, .foot, .crumb), li .hint, .quiet, .skip"))
  .map((each) => [each, (each.closest("label") || each).getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 24)
  .map(([each, box]) => `${each.outerHTML.slice(0, 90)} ${box.width}x${box.height}`)"""

SIZES = """() => [...new Set([...document.querySelectorAll("body *")]
  .filter((each) => each.checkVisibility() && !each.closest("svg, .quiet, .hidden")
    && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((each) => getComputedStyle(each).fontSize))]"""

# Bodies and headers are shown as they are.
BROKEN_WORDS = """() => {
  const broken = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    const apart = "pre, textarea, select, .headers, svg, .quiet, .hidden";
    if (!node.parentElement.checkVisibility() || node.parentElement.closest(apart)) continue;
    for (const word of node.data.matchAll(/[\\p{L}\\p{N}_.]+/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (tops.size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
