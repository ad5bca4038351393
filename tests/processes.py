"""Real processes of Python, which a test may kill, signal, limit or give faults.

A server that has imported torch and the package once forks them: an import each takes longer than
what most of the tests run. What an interpreter does as it starts is tested in ones of their own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import stnclf

ROOT = Path(stnclf.__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
FORKS = "forkserver" in multiprocessing.get_all_start_methods()

#: What the server imports, torch._dynamo as the first optimizer does; what is missing is left out.
IMPORTED = [
    "torch._dynamo",
    "pandas",
    "openslide",
    "tifffile",
    "stnclf.baseline",
    "stnclf.classifier",
    "stnclf.persistence",
    "stnclf.report",
    "stnclf.scan",
    "stnclf.slides",
    *(f"stnclf.cli.{path.stem}" for path in sorted((ROOT / "stnclf/cli").glob("[!_]*.py"))),
]


def server():
    """Give the context of `multiprocessing` whose processes are forked by the server."""
    context = multiprocessing.get_context("forkserver" if FORKS else "spawn")
    if FORKS:
        context.set_forkserver_preload(IMPORTED)
    return context


def _main(code, words, environment, folder, *streams):
    """Run code in a forked process as ``python -c`` does."""
    if FORKS:  # the server ignores it where tests run under nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, number in zip(streams, (1, 2)):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = ["-c", *words]
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})


class _Forked:
    """What tests use of `subprocess.Popen`."""

    def __init__(self, code, words, environment, folder):
        context = server()
        pipes = [context.Pipe(duplex=False) for _ in range(2)]
        ends = [writing for _, writing in pipes]
        arguments = (code, words, environment, folder, *ends)
        self._process = context.Process(target=_main, args=arguments)
        self._process.start()
        for end in ends:
            end.close()
        self.pid = self._process.pid
        self.stdout, self.stderr = (
            os.fdopen(os.dup(reading.fileno()), encoding="utf-8") for reading, _ in pipes
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
        self.wait()
        self.stdout.close()
        self.stderr.close()

    def kill(self):
        self._process.kill()

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("python -c", timeout)
        return self.returncode

    def communicate(self):
        texts = self.stdout.read(), self.stderr.read()
        self.wait()
        return texts

    @property
    def returncode(self):
        return self._process.exitcode


def start(code, *line, environment=ENVIRONMENT, folder=ROOT):
    """Start a process that runs Python code with a command line: a context, like `Popen`'s."""
    words = [str(word) for word in line]
    if FORKS:
        return _Forked(code, words, environment, str(folder))
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code, *line, **more):
    """Run Python code in a process to its end: give its status, and what it wrote."""
    with start(code, *line, **more) as process:
        stdout, stderr = process.communicate()
    return SimpleNamespace(returncode=process.returncode, stdout=stdout, stderr=stderr)


def kill(code, line, condition):
    """Run Python code with a command line; kill it when it says that it is ready to die."""
    with start(code, *line) as process:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        assert condition()
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
