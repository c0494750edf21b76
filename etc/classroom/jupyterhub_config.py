"""JupyterHub for a class on one server: an account, a private copy and a limit for each student.

Started by root, it makes an account of the system for each student, so that nobody can read or
change the work of others. Started by another user, as for a trial, all work as this user.
docs/CLASSROOM.md explains how to start it, and the variables that it reads.
"""

import os
import pwd
import re
import shlex
import subprocess
import sys
from pathlib import Path

c = get_config()  # noqa: F821
ROOT = Path(__file__).resolve().parents[2]
STATE = Path(os.environ.get("CLASS_STATE", "/srv/class")).resolve()
"""Keeps passwords, sessions and the list of the class; only its owner may read it."""
HOMES = Path(os.environ.get("CLASS_HOMES", "/home")).resolve()
MEMORY = 1024**3 * float(os.environ.get("CLASS_GB", 3))
"""Bytes of data that a process of a student may hold; a lesson needs about 1 GB at most."""
NAME = r"[a-z][a-z0-9_-]{0,30}"
ACCOUNTS = os.geteuid() == 0 and "CLASS_HOMES" not in os.environ


def number_of(name: str) -> int | None:
    """Return the number of an account of the system, None if there is none."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def class_list() -> set[str]:
    """Return the names in the class list, one in each line."""
    path = STATE / "students.txt"
    if not path.is_file():
        raise SystemExit(f"{path} is missing: write the names of the class into it, one in each "
                         "line, and start again.")
    names = path.read_text("utf-8").split("\n")
    for i, name in enumerate(names, 1):
        if name.strip() and not re.fullmatch(NAME, name.strip()):
            raise SystemExit(f"{path}, line {i}: {name.strip()!r} cannot be the name of an "
                             "account. Names have small letters, digits, - and _, and begin with "
                             "a letter.")
        number = number_of(name.strip())
        if number is not None and number < 1000:
            raise SystemExit(f"{path}, line {i}: {name.strip()!r} is an account of the system "
                             "itself, and no student may use it. Choose another name.")
    return {name.strip() for name in names} - {""}


def make_account(spawner) -> None:
    """Make the account of a student, where it is missing; a home that is there stays its own."""
    name, home = spawner.user.name, HOMES / spawner.user.name
    if number_of(name) is not None:
        return
    # In a new container the homes are there, and belong to numbers that have no name yet.
    number = ["--uid", str(home.stat().st_uid)] if home.exists() else []
    subprocess.run(["useradd", "--create-home", "--user-group", "--shell", "/bin/bash",
                    "--key", "HOME_MODE=0700", *number, name], check=True)


STATE.mkdir(parents=True, exist_ok=True)
STATE.chmod(0o700)
c.JupyterHub.bind_url = os.environ.get("CLASS_URL", "http://:8000")
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{STATE}/jupyterhub.sqlite"
c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")
c.ConfigurableHTTPProxy.command = [os.environ.get("CLASS_PROXY", "configurable-http-proxy")]

# Who is on the list signs in with the name, and chooses a password the first time.
c.JupyterHub.authenticator_class = "firstuseauthenticator.FirstUseAuthenticator"
c.FirstUseAuthenticator.dbm_path = str(STATE / "passwords.dbm")
c.FirstUseAuthenticator.create_users = False
c.Authenticator.allowed_users = class_list()
c.Authenticator.admin_users = set(filter(None, os.environ.get("CLASS_TEACHERS", "").split(",")))

# Each server is the course in the student's own folder, with links to the project.
START = (f"ulimit -d {int(MEMORY / 1024)}; umask 077; exec {shlex.quote(sys.executable)} "
         '-m workbench.cli lab --hub --folder "$HOME/course" "$@"')
c.Spawner.cmd = ["/bin/sh", "-c", START, "student"]
c.Spawner.default_url = "/lab/tree/my-course/00_start_here.ipynb"
# A server that is busy with 30 kernels answers late; a lost connection can lose what a cell prints.
c.Spawner.args = ["--ServerApp.websocket_ping_interval=300000",
                  "--ServerApp.websocket_ping_timeout=300000"]
c.Spawner.environment = {"PYTHONDONTWRITEBYTECODE": "1"}
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
if ACCOUNTS:
    c.Spawner.pre_spawn_hook = make_account
else:
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = str(HOMES / "{username}")
