"""`make lab`: JupyterLab on this machine only, with its token on, also as root."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def lab():
    spec = importlib.util.spec_from_file_location("lab_script", ROOT / "scripts" / "lab.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def asked(lab, monkeypatch):
    """What `main` would turn the process into, with or without a screen."""
    def call(*arguments, browser):
        taken = []
        monkeypatch.setattr(lab, "has_browser", lambda: browser)
        monkeypatch.setattr(os, "execv", lambda path, words: taken.append((path, words)))
        monkeypatch.setattr(sys, "argv", ["lab.py", *arguments])
        lab.main()
        assert len(taken) == 1 and taken[0][0] == taken[0][1][0] == sys.executable
        return taken[0][1]
    return call


def value(words, name):
    return [w.split("=", 1)[1] for w in words if w.startswith(f"--{name}=")]


def test_it_listens_on_this_machine_only(lab):
    assert value(lab.command([], browser=True), "ServerApp.ip") == ["127.0.0.1"]


def test_the_token_stays_on(lab):
    words = " ".join(lab.command([], browser=False)).lower()
    assert "token" not in words and "password" not in words and "disable" not in words


def test_it_opens_the_first_notebook_of_this_checkout(lab):
    words = lab.command([], browser=True)
    (url,), (root,) = value(words, "LabApp.default_url"), value(words, "ServerApp.root_dir")
    assert url == "/lab/tree/notebooks/00_start_here.ipynb"
    assert Path(root) == ROOT and (ROOT / "notebooks" / "00_start_here.ipynb").exists()


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_where_one_is_root(user, allowed, lab, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in lab.command([], browser=True)) is allowed


def test_a_system_without_user_numbers_is_no_root(lab, monkeypatch):
    monkeypatch.delattr(os, "geteuid", raising=False)
    assert "--allow-root" not in lab.command([], browser=True)


def test_without_a_browser_none_is_opened_and_the_reader_is_told(asked, capsys):
    assert "--no-browser" in asked(browser=False)
    assert "open the URL with the token" in capsys.readouterr().out


def test_with_a_browser_it_is_opened(asked, capsys):
    assert "--no-browser" not in asked(browser=True)
    assert capsys.readouterr().out == ""


def test_further_arguments_come_last_so_that_they_win(asked):
    assert asked("--port=9999", "--debug", browser=True)[-2:] == ["--port=9999", "--debug"]


def test_linux_without_a_screen_has_no_browser(lab, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(lab.webbrowser, "get", lambda: object())
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not lab.has_browser()
    monkeypatch.setenv("DISPLAY", ":0")
    assert lab.has_browser()


def test_a_screen_without_a_browser_has_none(lab, monkeypatch):
    def none():
        raise lab.webbrowser.Error("could not locate runnable browser")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(lab.webbrowser, "get", none)
    assert not lab.has_browser()
