// The native interface of the server: requests, errors with the field they name, and news of all jobs.

/** What the server refused, with the field it named, or the rows of a file. */
export class ApiError extends Error {
  constructor(status, { code, field, message, rows = [] }) {
    super(message);
    Object.assign(this, { status, code, field, rows });
  }
}

const lost = () => new ApiError(0, { code: "offline", field: null, message: "the server does not answer" });

async function send(method, path, body, type = "application/json", more = {}) {
  const init = { method, headers: body === undefined ? {} : { "content-type": type, ...more } };
  if (body !== undefined) init.body = type === "application/json" ? JSON.stringify(body) : body;
  const response = await fetch(`/api/v1/${path}`, init).catch(() => { throw lost(); });
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new ApiError(response.status, told?.error ?? { code: "error", field: null, message: response.statusText });
}

const json = async (...request) => {
  const response = await send(...request);
  return response.status === 204 ? null : response.json();
};

export const get = (path) => json("GET", path);
export const post = (path, body) => json("POST", path, body);
export const patch = (path, body) => json("PATCH", path, body);
export const put = (path, body) => json("PUT", path, body);
export const remove = (path) => json("DELETE", path);
export const upload = (path, blob, method = "POST") => json(method, path, blob, blob.type || "application/octet-stream");
export const file = async (path, body) => (await send("POST", path, body)).blob();

/** Queues something once, even if the answer is lost and the request is sent again. */
export async function postOnce(path, body) {
  const key = { "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
  const attempt = () => json("POST", path, body, "application/json", key);
  return attempt().catch((error) => { if (error.status === 0) return attempt(); throw error; });
}

/** The address of a picture; `width` for a smaller one. */
export function picture(asset, { width = 0, format = "", download = false } = {}) {
  const query = new URLSearchParams();
  if (width && width < asset.width) query.set("width", width);
  if (format || query.has("width")) query.set("format", format || "webp");
  if (download) query.set("download", "true");
  return query.size ? `${asset.url}?${query}` : asset.url;
}

/** News of all jobs: dispatches `job`, `progress`, `preview`, `asset` and `done` with the data as `detail`. */
export const news = new EventTarget();

/** Jobs that are over. They stay so: an answer that was on its way when a job ended tells of it as it was before. */
const over = new Set();
const OVER = 1000;

function tell(name, detail) {
  const about = name === "done" || name === "job" ? detail.id : detail.job;
  if (name === "done") over.add(about);
  else if (over.has(about) && name !== "asset") return;
  if (over.size > OVER) over.delete(over.values().next().value);
  news.dispatchEvent(new CustomEvent(name, { detail }));
}

/** Tells how a job is now: news may have come before anybody listened, or while there was no connection. */
export async function catchUp(id) {
  const job = await get(`jobs/${id}`).catch(() => null);
  if (job) tell(["queued", "running"].includes(job.state) ? "job" : "done", job);
}

export function listen() {
  const stream = new EventSource("/api/v1/events");
  for (const name of ["job", "progress", "preview", "asset", "done"]) {
    stream.addEventListener(name, (event) => tell(name, JSON.parse(event.data)));
  }
  stream.addEventListener("open", () => tell("online", true));
  stream.addEventListener("error", () => tell("online", false));
}

/** Calls `work` with the data of every event of this name. */
export const on = (name, work) => news.addEventListener(name, (event) => work(event.detail));
