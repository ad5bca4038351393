"""A forked process does everything, though its parent has used several of torch's threads.

The threads of OpenMP's pool are not copied, so that one kernel of several threads in the child
would wait for ever.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys

import pytest

SCRIPT = """
import os, pickle, signal, sys, tempfile, threading, time
import numpy as np, torch
torch.set_num_threads(2)
import stnclf
from sklearn.base import clone
from stnclf import CiresanBaseline, STNCellClassifier
from stnclf.datasets import make_cells
from stnclf.scan import scan
from stnclf.slides import Slide

X, y, centers = make_cells(20, patch_size=64, offset=6, random_state=0)
epochs = dict(classifier_epochs=1, localizer_epochs=1, joint_epochs=1)
stn = STNCellClassifier(**epochs, tta=False, random_state=0)
cnn = CiresanBaseline(epochs=1, random_state=0)
folder = tempfile.mkdtemp()
path = os.path.join(folder, "model.safetensors")
# Threads that Python does not know of.
n_tasks = lambda: len(os.listdir("/proc/self/task")) - threading.active_count()
slide = Slide(np.tile(X[0], (3, 3, 1)), mpp=0.25)

def to_onnx():
    from stnclf.onnx import to_onnx
    to_onnx(cnn, os.path.join(folder, "model.onnx"))

CALLS = {
    "fit stn": lambda: stn.fit(X, y, centers=centers),
    "fit cnn": lambda: cnn.fit(X, y, centers=centers),
    "predict": lambda: (stn.predict_proba(X), cnn.predict(X), stn.score(X, y)),
    "transform": lambda: (stn.transform(X), cnn.transform(X)),
    "localize": lambda: stn.localize(X),
    "attend": lambda: stn.attend(X),
    "save": lambda: stnclf.save(stn, path),
    "load": lambda: stnclf.load(path),
    "card": lambda: stnclf.persistence.model_card(stn),
    "onnx": to_onnx,
    "warm start": lambda: pickle.loads(pickle.dumps(stn)).set_params(warm_start=True).fit(X, y),
    "init": lambda: clone(stn).set_params(init=path).fit(X, y),
    "init clone": lambda: clone(clone(stn).set_params(init=stn)).fit(X, y),
    "checkpoint": lambda: clone(cnn).set_params(checkpoint=path + ".c", epochs=2).fit(X, y),
    "resume": lambda: clone(cnn).set_params(checkpoint=path + ".c", epochs=2).fit(X, y),
    "scan": lambda: scan(stn, slide, mpp=0.25, tissue=False, min_probability=0, n_jobs=2),
}
for name, call in CALLS.items():
    before = n_tasks()
    call()
    deadline = time.time() + 5
    while n_tasks() > before and time.time() < deadline:
        time.sleep(0.01)
    if n_tasks() > before:
        print(name, "left threads behind")

torch.ones(1 << 22).exp().sum()  # a caller may well do so
for name, call in CALLS.items():
    child = os.fork()
    if child == 0:
        code = 1
        try:
            call()
            code = 0
        finally:
            os._exit(code)
    deadline = time.time() + 120
    while time.time() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                print(name, "ended with", status)
            break
        time.sleep(0.02)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print(name, "hangs in a forked process")
print("done")
"""


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods() or sys.platform != "linux",
    reason="processes are not forked here",
)
def test_everything_works_in_a_forked_process():
    for extra in ("onnx", "pandas"):
        pytest.importorskip(extra, reason="needs the extras [onnx] and [slides]")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["done"], done.stderr[-2000:]
