// A CSV file as the page shows it while it is written: its bytes to text, its header, and single rows by their number. What counts
// is what the server reads; here only the place of a mistake is looked up.

const DELIMITERS = [",", ";", "\t"];

/** The text of a file: UTF-8, or UTF-16 with its mark; throws where it is neither. */
export function decode(bytes) {
  const view = new Uint8Array(bytes);
  const mark = view[0] === 0xff && view[1] === 0xfe ? "utf-16le" : view[0] === 0xfe && view[1] === 0xff ? "utf-16be" : "utf-8";
  try {
    return new TextDecoder(mark, { fatal: true }).decode(bytes);
  } catch {
    throw new Error("This file is neither UTF-8 nor UTF-16. Save it again as “CSV UTF-8”.");
  }
}

/** The records of a text until there are `most`, each a list of cells; empty lines are none. */
export function records(text, most) {
  const delimiter = delimiterOf(text);
  const found = [];
  let cells = [], cell = "", quoted = false;
  const endRecord = () => {
    cells.push(cell);
    if (cells.length > 1 || cells[0].trim() !== "") found.push(cells);
    [cells, cell] = [[], ""];
  };
  for (let i = 0; i < text.length && found.length < most; i++) {
    const sign = text[i];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[i + 1] === '"') { cell += '"'; i++; } else quoted = false;
    } else if (sign === '"' && cell === "") quoted = true;
    else if (sign === delimiter) { cells.push(cell); cell = ""; }
    else if (sign === "\n") endRecord();
    else if (sign !== "\r") cell += sign;
  }
  if ((cell !== "" || cells.length) && found.length < most) endRecord();
  return found;
}

function delimiterOf(text) {
  const first = text.slice(0, 4096).split("\n")[0];
  const times = (sign) => first.split(sign).length;
  return DELIMITERS.reduce((best, sign) => (times(sign) > times(best) ? sign : best));
}

/** The names of the columns. */
export const columns = (text) => (records(text.slice(0, 65536), 1)[0] ?? []).map((name) => name.trim());
