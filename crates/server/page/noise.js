// The noise that a picture is before its first step.

let made = null;

/** A `data:` URL of fine grey noise. */
export function noise() {
  if (made) return made;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 96;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(96, 96);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const value = 128 + (Math.random() + Math.random() + Math.random() - 1.5) * 110;
    for (let c = 0; c < 3; c++) pixels.data[i + c] = value + (Math.random() - 0.5) * 60;
    pixels.data[i + 3] = 150;
  }
  context.putImageData(pixels, 0, 0);
  made = canvas.toDataURL();
  return made;
}
