// A long list of lines of one height, of which only those near the window are there.

import { h } from "./dom.js";

/** Pixels beyond the window that are there as well. */
const BEYOND = 500;

/** A list inside `role`; `line(i)` makes line `i`. `show(count, height)` says how many there are and how high each is, `renew(i)`
 * makes one again, `reveal(i)` brings it into view. It ends with the signal. */
export function lines(line, signal, props = {}) {
  const element = h("div", { className: "lines", ...props });
  const there = new Map();
  let count = 0, height = 1, waits = false;

  function paint() {
    waits = false;
    if (!element.isConnected) return;
    const top = element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((-top - BEYOND) / height));
    const last = Math.min(count - 1, Math.ceil((innerHeight - top + BEYOND) / height));
    // What has the focus stays, wherever the window goes: keys would be lost with it.
    for (const [i, one] of there) if ((i < first || i > last) && !one.contains(document.activeElement)) { one.remove(); there.delete(i); }
    for (let i = first; i <= last; i++) if (!there.has(i)) put(i);
  }

  function put(i) {
    const one = line(i);
    one.style.setProperty("transform", `translateY(${i * height}px)`);
    one.style.setProperty("height", `${height}px`);
    const after = [...there.keys()].filter((other) => other > i).sort((a, b) => a - b)[0];
    element.insertBefore(one, after === undefined ? null : there.get(after));
    there.set(i, one);
  }

  const soon = () => { if (!waits) { waits = true; requestAnimationFrame(paint); } };
  for (const event of ["scroll", "resize"]) addEventListener(event, soon, { signal, passive: true });
  return {
    element,
    show(newCount, newHeight) {
      [count, height] = [newCount, newHeight];
      element.style.setProperty("height", `${count * height}px`);
      for (const one of there.values()) one.remove();
      there.clear();
      paint();
    },
    renew(i) {
      const old = there.get(i);
      if (!old) return;
      there.delete(i);
      old.remove();
      if (i < count) put(i);
    },
    reveal(i) {
      const box = element.getBoundingClientRect();
      const [top, bottom] = [box.top + i * height, box.top + (i + 1) * height];
      const [above, below] = [150, innerHeight - 90];
      if (top < above) scrollBy(0, top - above); else if (bottom > below) scrollBy(0, bottom - below);
      paint();
      if (!there.has(i) && i < count) put(i);
      return there.get(i);
    },
    first: () => Math.max(0, Math.floor((150 - element.getBoundingClientRect().top) / height)),
  };
}
