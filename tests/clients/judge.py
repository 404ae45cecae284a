"""Stands between a client and a node, and holds every answer against the AWS model of its operation until standard input ends.

Prints the port it listens on, and at the end what it saw: how many answers to which operation, and what was wrong with them. It passes
bytes on as they are, the Host header too, so that signatures hold.
"""

import http.client
import http.server
import json
import sys
import threading
import urllib.parse

from shapes import judge_json, judge_query

# Headers of one connection: each side has its own.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
lock = threading.Lock()
seen = {}
wrong = {}


def judge(headers, request, status, answered, body):
    target = headers.get("X-Amz-Target", "")
    if target.startswith("AmazonEC2ContainerServiceV20141113."):
        operation = target.split(".", 1)[1]
        found = judge_json(operation, status, body)
    else:
        operation = urllib.parse.parse_qs(request.decode()).get("Action", ["nothing"])[0]
        found = judge_query(operation, status, body)
    try:
        found = list(found)
    except Exception as error:
        found = [f"{operation}: {error!r} while reading {body[:200]!r}"]
    if not answered.get("x-amzn-RequestId"):
        found.append(f"{operation}: no x-amzn-RequestId")
    with lock:
        seen[operation] = seen.get(operation, 0) + 1
        for line in found:
            wrong[line] = wrong.get(line, 0) + 1


class Passage(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        node = http.client.HTTPConnection(sys.argv[1], timeout=90)
        node.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP:
                node.putheader(name, value)
        node.putheader("Content-Length", str(len(request)))
        node.endheaders(request)
        answer = node.getresponse()
        body = answer.read()
        node.close()
        judge(self.headers, request, answer.status, answer.headers, body)
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing: what was seen is printed at the end."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Passage)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
with lock:
    print(json.dumps({"seen": seen, "wrong": wrong}))
