"""Stands in for `depsim_dagster.sandbox` where the start and stop of an embedded server are tested."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

if "--silent" in sys.argv:
    sys.stdin.read()
    sys.exit()
if "--crash" in sys.argv:
    sys.exit("the world file is missing")
if "--chatter" in sys.argv:
    print("Welcome!", flush=True)
    sys.stdin.read()
    sys.exit()


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(sys.argv[1:]).encode())

    def log_message(self, *_):
        print("x" * 100_000, flush=True)  # more than a pipe holds, on both streams
        print("x" * 100_000, flush=True, file=sys.stderr)


server = HTTPServer(("127.0.0.1", 0), Hello)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = server.server_address[1]
print(json.dumps({"port": port, "base_url": f"http://127.0.0.1:{port}/v1"}), flush=True)
if "--deaf" in sys.argv:
    threading.Event().wait()
sys.stdin.read()  # the end of the input is the end of the parent
