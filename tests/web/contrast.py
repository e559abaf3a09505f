"""Which texts, and which edges of fields, are too faint (WCAG 2.2, 1.4.3 and 1.4.11)."""

__all__ = ["FAINT"]

FAINT = """() => {
  const parts = (colour) => {
    const [r, g, b, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
    return colour.startsWith("color(") ? [r * 255, g * 255, b * 255, alpha] : [r, g, b, alpha];
  };
  const over = ([r, g, b, alpha], ground) =>
    [r, g, b].map((value, place) => value * alpha + ground[place] * (1 - alpha));
  const luminance = (colour) => {
    const [r, g, b] = colour.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const behind = ground(element.parentElement);
    return over(parts(getComputedStyle(element).backgroundColor), behind);
  };
  const opacity = (element) =>
    element ? getComputedStyle(element).opacity * opacity(element.parentElement) : 1;
  const contrast = (colour, behind, alpha) => {
    const [r, g, b, own] = parts(colour);
    const [light, dark] = [over([r, g, b, own * alpha], behind), behind]
      .map(luminance).sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const faint = [];
  const judge = (what, element, colour, behind, least) => {
    const found = contrast(colour, behind, opacity(element));
    if (found < least) faint.push(`${what}: ${element.outerHTML.slice(0, 90)} ${found}`);
  };
  const FIELDS = "input:not([type=hidden], [type=radio], [type=checkbox]), select, textarea";
  for (const element of document.querySelectorAll("body *")) {
    const style = getComputedStyle(element);
    if (!element.checkVisibility() || element.closest(".hidden, .quiet, .skip")) continue;
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const is_drawn = element.closest("svg");
    if (text) judge("text", element, is_drawn ? style.fill : style.color, ground(element), 4.5);
    if (!element.matches(FIELDS)) continue;
    judge("value", element, style.color, ground(element), 4.5);
    judge("edge", element, style.borderTopColor, ground(element.parentElement), 3);
    const empty = getComputedStyle(element, "::placeholder");
    if (element.placeholder) judge("placeholder", element, empty.color, ground(element), 4.5);
  }
  return faint;
}"""
