"""A function's program for tests: does what each invocation's payload says. Its first line is added by `Code`."""

import http.client
import json
import os
import subprocess
import sys
import time
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime"


def call(path: str, body: bytes | None = None) -> http.client.HTTPResponse:
    return urllib.request.urlopen(f"{API}/{path}", data=body)


def answer(request_id: str, body: object, kind: str = "response") -> None:
    call(f"invocation/{request_id}/{kind}", json.dumps(body).encode())


init = os.environ.get("INIT")
print("initialises", flush=True)
if init == "exit":
    sys.exit(3)
if init == "error":
    call("init/error", b'{"errorType":"Config","errorMessage":"no table"}')
    sys.exit(1)
if init == "hang":
    time.sleep(600)

count = 0
while True:
    with call("invocation/next") as response:
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(response)
    count += 1
    match event["do"]:
        case "echo":
            answer(request_id, {"pid": os.getpid(), "count": count, "event": event})
        case "headers":
            answer(request_id, dict(response.headers))
        case "environment":
            answer(request_id, dict(os.environ))
        case "print":
            print(event["text"], flush=True)
            answer(request_id, None)
        case "fail":
            answer(request_id, {"errorType": "Oops", "errorMessage": "no"}, "error")
        case "exit":
            print("last words", flush=True)
            os._exit(event["status"])
        case "abort":
            os.abort()
        case "hang":
            print("hangs", flush=True)
            time.sleep(600)
        case "spawn":  # a descendant that keeps the output open
            child = subprocess.Popen(["sleep", "600"])
            answer(request_id, {"child": child.pid})
        case "answer and exit":
            answer(request_id, None)
            os._exit(0)
        case "allocate":
            block = b"x" * (event["mb"] * 1024 * 1024)
            time.sleep(600)
        case "large":
            try:
                answer(request_id, "x" * event["bytes"])
            except urllib.error.HTTPError as refused:
                print(f"refused with {refused.code}", flush=True)
