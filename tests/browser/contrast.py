"""What can be read, as a browser has painted it."""

from __future__ import annotations

__all__ = ["CONTRAST"]

#: Of every text: its colour against what is painted behind it, as WCAG counts contrast.
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((one) => one / 255)
    .map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return colour;
    }
    return [255, 255, 255];
  };
  let worst = 21;
  for (const element of document.body.querySelectorAll('*')) {
    if (![...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim())) continue;
    const pair = [parse(getComputedStyle(element).color), behind(element)].map(light).sort();
    worst = Math.min(worst, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05));
  }
  return worst;
}"""
