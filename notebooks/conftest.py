"""The strict lane: forms of output that it does not compare, and kernels that start quickly."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time

from jupyter_client.provisioning import local_provisioner

PRELOADED = ["ipykernel.kernelapp", "matplotlib.pyplot", "peft", "transformers.modeling_utils",
             "workbench.runs.experiment", "workbench.widgets"]
"""Packages that most lessons load; without this each kernel needs 5 to 10 s for them."""


def pytest_configure():
    """Fork kernels off one process that has the packages, where processes can be forked safely."""
    if sys.platform == "linux":
        # As in a kernel, and read when matplotlib is loaded.
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
        multiprocessing.set_forkserver_preload(PRELOADED)
        local_provisioner.launch_kernel = launch


def pytest_collectstart(collector):
    """Let nbval pass over HTML and SVG, whose plain-text twins it does compare."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare += ("text/html", "image/svg+xml")


def pytest_collection_modifyitems(items):
    """Begin with the notebooks that took longest when they were built."""
    items.sort(key=lambda cell: -cell.parent.nb.metadata["workbench"]["used"]["seconds"])


class Forked(multiprocessing.context.ForkServerProcess):
    """A kernel with the methods of `subprocess.Popen` that Jupyter calls."""

    stdin = stdout = stderr = None

    def poll(self):
        return self.exitcode

    def wait(self):
        self.join()
        return self.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)


def launch(cmd, env, cwd, **_):
    """Start a kernel as `jupyter_client.launcher.launch_kernel` does, in a forked process."""
    kernel = Forked(target=run, args=(cmd, env, cwd), daemon=True)
    kernel.start()
    while os.getpgid(kernel.pid) != kernel.pid:  # Jupyter kills this group
        time.sleep(0.001)
    return kernel


def run(cmd, env, cwd):
    """Be the kernel that a command ``python -m ipykernel_launcher -f FILE`` starts."""
    from ipykernel.kernelapp import launch_new_instance

    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    root = os.path.dirname(__file__)
    # The folders that pytest adds are none of a kernel's.
    sys.path[:] = [p for p in sys.path if p not in (root, os.path.dirname(root) + "/scripts")]
    sys.argv = cmd[cmd.index("-m") + 1:]
    launch_new_instance()
