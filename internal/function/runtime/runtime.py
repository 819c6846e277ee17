"""Runs a Python handler: calls come on descriptor 3, answers leave on 4.

A call is a line of JSON, {"context": ..., "length": n}, and n bytes of event.
An answer is a line of JSON, {"id": ..., "kind": "answer", "error" or "fatal",
"length": n}, and n bytes; after "fatal" the process ends. What the handler prints is its log and no part of the answer.
"""

import asyncio
import importlib
import importlib.util
import inspect
import json
import os
import sys
import time
import traceback


class Context:
    """What a handler is told of its call; vars() of it is data alone."""

    def __init__(self, told):
        self.__dict__.update(told)

    def get_remaining_time_in_millis(self):
        return max(0, int(self.deadline_ms - time.time() * 1000))


class Runtime:
    def __init__(self, path, name, root, module):
        self.path, self.name, self.root, self.module = path, name, root, module
        self.pid = os.getpid()
        for fd in (3, 4):
            os.set_inheritable(fd, False)
        self.calls = os.fdopen(3, "rb")
        self.answers = os.fdopen(4, "wb")
        self.handler = None
        self.loop = None

    def load(self):
        """Imports the handler's file under its own name, the function's folder first in the path."""
        file = os.path.basename(self.path)
        sys.path.insert(0, self.root)
        if self.module:
            return self.find(file, importlib.import_module(self.module))
        module = file[: -len(".py")]
        spec = importlib.util.spec_from_file_location(module, self.path)
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        spec.loader.exec_module(loaded)
        self.find(file, loaded)

    def find(self, file, loaded):
        if not callable(getattr(loaded, self.name, None)):
            raise AttributeError(f"{file} has no function {self.name!r}")
        self.handler = getattr(loaded, self.name)

    def serve(self):
        while line := self.calls.readline():
            call = json.loads(line)
            event = self.calls.read(call["length"])
            context = Context(call["context"])
            try:
                if self.handler is None:
                    self.load()
                self.answer(context.request_id, "answer", encode(self.run(decode(event), context)))
            except BaseException as e:  # SystemExit of a handler ends the call, not the instance
                self.answer(context.request_id, "error" if self.handler else "fatal", describe(e))
                if self.handler is None:
                    sys.exit(1)

    def run(self, event, context):
        result = self.handler(event, context)
        if inspect.isawaitable(result):
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                asyncio.set_event_loop(self.loop)
            result = self.loop.run_until_complete(result)
        return result

    def answer(self, request_id, kind, body):
        if os.getpid() != self.pid:  # a fork of the handler has come back here
            os._exit(0)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass
        head = {"id": request_id, "kind": kind, "length": len(body)}
        self.answers.write(json.dumps(head).encode() + b"\n" + body)
        self.answers.flush()


def decode(event):
    """JSON becomes what it means; other text stays text, and the rest bytes."""
    try:
        text = event.decode("utf-8")
    except UnicodeDecodeError:
        return event
    try:
        return json.loads(text)
    except ValueError:
        return text


def encode(result):
    if isinstance(result, (bytes, bytearray)):
        return bytes(result)
    if isinstance(result, str):
        return result.encode("utf-8", "surrogatepass")
    return json.dumps(result, ensure_ascii=False).encode("utf-8", "surrogatepass")


def describe(e):
    own = os.path.abspath(__file__)
    frames = [f for f in traceback.extract_tb(e.__traceback__)
              if os.path.abspath(f.filename) != own and not f.filename.startswith("<frozen importlib")]
    stack = traceback.format_list(frames)
    print("".join(stack + traceback.format_exception_only(type(e), e)), file=sys.stderr, end="")
    return json.dumps({"errorMessage": str(e), "errorType": type(e).__name__, "stackTrace": stack}).encode()


if __name__ == "__main__":
    file, function, root, module = sys.argv[1:5]
    sys.argv = [file]
    del sys.path[0]  # this file's own folder
    Runtime(file, function, root, module).serve()
