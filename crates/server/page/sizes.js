// Channels by name, and the size nearest to each that a model can draw.

/** Name, width and height of what the channel shows. */
const CHANNELS = [
  ["Social", [
    ["Instagram post", 1080, 1350], ["Instagram square", 1080, 1080], ["Story or reel", 1080, 1920],
    ["LinkedIn post", 1200, 627], ["Facebook post", 1200, 630], ["X post", 1600, 900], ["Pinterest pin", 1000, 1500],
    ["YouTube thumbnail", 1280, 720],
  ]],
  ["Display ads", [
    ["Medium rectangle", 300, 250], ["Half page", 300, 600], ["Billboard", 970, 250], ["Wide skyscraper", 160, 600],
  ]],
  ["Web and print", [
    ["Website hero", 1920, 820], ["Email header", 600, 200], ["Slide 4:3", 1024, 768], ["App icon", 1024, 1024],
  ]],
];

/** Sides in pixels of pictures that a model's square is fitted into. */
const [SMALLEST, LARGEST] = [32, 2048];

const parse = (text) => text.split("x").map(Number);

/** The size a model draws best for a shape: that itself if it can, else near in proportion first, near to its usual area second. */
export function nearest(width, height, model) {
  if (model.size_multiple === 1) {
    const scale = Math.min(1, LARGEST / Math.max(width, height));
    return [width, height].map((side) => Math.max(SMALLEST, Math.round(side * scale))).join("x");
  }
  const [usualWidth, usualHeight] = parse(model.default_size ?? "512x512");
  const step = model.size_multiple ?? 64;
  const longest = 2 * Math.max(usualWidth, usualHeight);
  let best = null;
  for (let w = step; w <= longest; w += step) {
    for (let h = step; h <= longest; h += step) {
      const shape = Math.abs(Math.log((w / h) * (height / width)));
      const area = Math.abs(Math.log((w * h) / (usualWidth * usualHeight)));
      const score = 4 * shape + area;
      if (!best || score < best.score) best = { score, size: `${w}x${h}` };
    }
  }
  return best?.size ?? model.default_size;
}

const shown = (size) => size.replace("x", " × ");

/** Groups of `[value, text]` for a select; a value is `name|WxH`. */
export function channels(model) {
  const one = ([name, width, height]) => {
    const size = nearest(width, height, model);
    return [`${name}|${size}`, `${name} · ${shown(size)}`];
  };
  const usual = model.default_size ?? "512x512";
  return [
    [`Usual|${usual}`, `Any use · ${shown(usual)}`],
    ...CHANNELS.map(([title, items]) => [title, items.map(one)]),
    ["custom", "Another size…"],
  ];
}

/** Width over height of a size or a job's request. */
export function proportion(size) {
  const [width, height] = parse(size ?? "1x1");
  return width && height ? width / height : 1;
}
