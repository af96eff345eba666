"""Pages of other origins in headless Chromium: none can have a job drawn, read one, see a picture or show the studio (P7).

usage: origin.py URL     exit code 0 if nothing came through
"""

import http.server
import json
import os
import sys
import threading
import urllib.parse
import urllib.request

from playwright.sync_api import sync_playwright

URL = sys.argv[1]
PORT = urllib.parse.urlsplit(URL).port
SECRET = "what nobody else may read"

# Everything that a page can try without the user's help; each gives what it came to know, or null.
TRIES = """async ([url, asset, job]) => {
  const body = JSON.stringify({ prompt: "from elsewhere", size: "64x64", steps: 1, enlarge: 1 });
  const element = (tag, props) => new Promise((resolve) => {
    const one = document.createElement(tag);
    one.onload = () => resolve(tag === "iframe" ? framed(one) : "loaded");
    one.onerror = () => resolve(null);
    Object.assign(one, props);
    document.body.append(one);
    setTimeout(() => resolve(null), 5000);
  });
  const framed = (one) => { try { return one.contentDocument?.title || null; } catch { return null; } };
  const text = async (...request) => { const reply = await fetch(...request); return reply.ok ? await reply.text() : null; };
  const send = (path, type, more = {}) => text(url + path, { method: "POST", body, headers: { "content-type": type }, ...more });
  const form = (enctype) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.name = `f${Math.random()}`;
    document.body.append(frame);
    const one = document.createElement("form");
    const field = document.createElement("input");
    Object.assign(one, { method: "post", action: `${url}/api/v1/jobs`, enctype, target: frame.name });
    [field.name, field.value] = [body.slice(0, -1) + ',"negative":"', '"}'];
    one.append(field);
    document.body.append(one);
    frame.onload = () => setTimeout(() => resolve(framed(frame)), 200);
    one.submit();
    setTimeout(() => resolve(null), 5000);
  });
  const tries = {
    "read jobs": () => text(`${url}/api/v1/jobs`),
    "read jobs without CORS": () => text(`${url}/api/v1/jobs`, { mode: "no-cors" }),
    "read a job": () => text(`${url}/api/v1/jobs/${job}`, { credentials: "include" }),
    "queue a job": () => send("/api/v1/jobs", "application/json"),
    "queue a job as text": () => send("/api/v1/jobs", "text/plain", { mode: "no-cors" }),
    "queue a job by OpenAI's interface": () => send("/v1/images/generations", "text/plain", { mode: "no-cors" }),
    "queue a job by A1111's interface": () => send("/sdapi/v1/txt2img", "text/plain", { mode: "no-cors" }),
    "queue a job by MCP": () => send("/mcp", "text/plain", { mode: "no-cors" }),
    "queue a job by a beacon": async () => (navigator.sendBeacon(`${url}/api/v1/jobs`, new Blob([body], { type: "text/plain" })), null),
    "queue a job by a form": () => form("text/plain"),
    "queue a job by a form of fields": () => form("multipart/form-data"),
    "change the settings": () => text(`${url}/api/v1/settings`, { method: "PUT", body: "{}", headers: { "content-type": "application/json" } }),
    "cancel a job": () => text(`${url}/api/v1/jobs/${job}`, { method: "DELETE" }),
    "listen": () => new Promise((resolve) => {
      const stream = new EventSource(`${url}/api/v1/events`);
      stream.onopen = () => resolve("open");
      stream.onerror = () => (stream.close(), resolve(null));
    }),
    "show a picture": () => element("img", { src: `${url}/api/v1/assets/${asset}/file` }),
    "run the studio's scripts": () => element("script", { src: `${url}/studio/words.js`, type: "module" }),
    "frame the studio": () => element("iframe", { src: `${url}/` }),
  };
  const found = {};
  for (const [name, work] of Object.entries(tries)) found[name] = await Promise.resolve().then(work).catch(() => null);
  return found;
}"""
# Of the studio's own page these must work, or the tries prove nothing.
OWN = ["read jobs", "read a job", "queue a job", "listen", "show a picture"]


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><p>elsewhere")

    def log_message(self, *_):
        pass


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/api/v1/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def main():
    problems = []
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    job = ask("jobs", {"prompt": SECRET, "size": "64x64", "steps": 1, "enlarge": 1})["id"]
    while not ask(f"jobs/{job}")["assets"]:
        threading.Event().wait(0.2)
    asset, settings = ask(f"jobs/{job}")["assets"][0]["id"], ask("settings")
    with sync_playwright() as playwright:
        path = os.environ.get("CALOTYPE_CHROMIUM", "/usr/bin/chromium")
        # A name of somebody else's that leads here, as after DNS rebinding.
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP elsewhere.example 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        for host in ("127.0.0.1", "localhost", "elsewhere.example"):
            page = browser.new_page()
            page.goto(f"http://{host}:{other.server_port}/")
            found = page.evaluate(TRIES, [URL, asset, job])
            problems += [f"{host}: {name}: {came[:80]}" for name, came in found.items() if came]
            print(f"{host}: {len(found)} tries")
        jobs = ask("jobs")
        if jobs["total"] != 1 or ask("settings") != settings:
            problems.append(f"something was changed: {jobs}")
        answer = page.goto(f"http://elsewhere.example:{PORT}/")
        if answer.status != 403:
            problems.append(f"another name gets {answer.status}")
        page.goto(URL + "/")
        found = page.evaluate(TRIES, ["", asset, job])
        problems += [f"the studio itself cannot: {name}" for name in OWN if not found[name]]
        if SECRET not in (found["read jobs"] or ""):
            problems.append("the studio does not read the job")
        browser.close()
    print(*problems or ["nothing came through"], sep="\n")
    sys.exit(1 if problems else 0)


main()
