"""Which texts of a page are too faint to read (WCAG 2, 1.4.3), as JavaScript."""

__all__ = ["FAINT"]

FAINT = """() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)$/.test(colour) && colour.startsWith("rgb(")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const apart = element.closest(".entry, :disabled, svg, .hidden, .skip");
    if (!own || apart || !element.checkVisibility()) continue;
    const [light, dark] = [getComputedStyle(element).color, ground(element)]
      .map(luminance).sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) faint.push(`${element.textContent.trim()} ${contrast}`);
  }
  return faint;
}"""
