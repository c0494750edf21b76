"""Records: what is read is what was written, or is refused with what is wrong and where."""

from __future__ import annotations

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from workbench.cli.tables import summary
from workbench.errors import RecordError
from workbench.runs import record_files as runfiles
from workbench.runs.checkpoint import read_checkpoint
from workbench.runs.experiment import resume, run
from workbench.runs.record import FIELDS, RunRecord
from workbench.runs.record_files import ARRAYS, VERSION
from workbench.system.files import sha256, to_json


@pytest.fixture(scope="module")
def original(tmp_path_factory, tiny):
    """A finished run and its folder."""
    folder = tmp_path_factory.mktemp("record") / "run"
    return run(tiny(learner="ewc", options={"strength": 10.0}, clip=1.0), out=folder), folder


@pytest.fixture(scope="module")
def left_off(tmp_path_factory, tiny):
    """The folder of a run stopped in its second task."""
    folder = tmp_path_factory.mktemp("record") / "stopped"
    asked = iter(range(100))
    assert run(tiny(), out=folder, stop=lambda: next(asked) == 6).status == "stopped"
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original[1], tmp_path / "run")


@pytest.fixture
def stopped(left_off, tmp_path):
    return shutil.copytree(left_off, tmp_path / "stopped")


@pytest.fixture
def assert_refused(fingerprint):
    """Assert that reading fails, with a message that says this, and that it changes nothing."""
    def check(folder, *printed, read=RunRecord.load):
        before = fingerprint(folder)
        with pytest.raises(RecordError) as caught:
            read(folder)
        for words in printed:
            assert words in str(caught.value)
        assert str(folder) in str(caught.value), "which folder"
        assert fingerprint(folder) == before
    return check


def edit(folder, **changes):
    """Change entries of run.json; None removes one."""
    path = folder / "run.json"
    printed = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in printed.items() if v is not None}))


def replace(folder, kind, content):
    """Put other content in place of a file, and its hash in run.json."""
    files = json.loads((folder / "run.json").read_text())["files"]
    (folder / files[kind]["file"]).write_bytes(content)
    edit(folder, files=files | {kind: files[kind] | {"sha256": sha256(content)}})
    return files[kind]["file"]


def npz(record, **changes):
    buffer = io.BytesIO()
    arrays = {name: getattr(record, name) for name in ARRAYS} | changes
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def test_a_record_comes_back_as_it_was(original, assert_same_run):
    record, folder = original
    loaded = RunRecord.load(folder)
    assert_same_run(loaded, record)
    for name in ("seconds", "environment", "total_seconds", "steps_taken"):
        assert getattr(loaded, name) == getattr(record, name), name
    assert loaded.status == "complete"
    assert summary(loaded) == summary(record)


def test_an_unfinished_record_comes_back_with_nan_where_nothing_was_evaluated(left_off):
    record = RunRecord.load(left_off)
    assert (record.status, record.task, record.step) == ("stopped", 1, 2)
    assert np.isfinite(record.accuracy[:, 0]).all()
    assert np.isnan(record.accuracy[:, 1:]).all()
    assert np.isfinite(record.losses[:, 1, :2]).all()
    assert np.isnan(record.losses[:, 1, 2:]).all()
    assert json.loads(to_json(summary(record)))["accuracy"][0][1] == [None] * 3


def test_a_record_says_what_made_it(original):
    printed = json.loads((original[1] / "run.json").read_text())
    assert (printed["format"], printed["version"]) == ("workbench-run", VERSION)
    assert printed["config"]["options"] == {"strength": 10.0}
    assert printed["environment"]["packages"].keys() >= {"torch", "numpy", "scikit-learn"}
    assert printed["samples_seen"] == 3 * 4 * 8
    assert len(printed["data_hash"]) == 64
    assert min(printed["seconds"].values()) > 0


def test_nothing_in_the_folder_is_pickled_and_every_file_has_its_hash(original):
    folder = original[1]
    files = json.loads((folder / "run.json").read_text())["files"]
    assert {p.name for p in folder.iterdir()} == {".lock", "run.json"} | {
        entry["file"] for entry in files.values()}
    for entry in files.values():
        assert sha256((folder / entry["file"]).read_bytes()) == entry["sha256"]
    with np.load(folder / files["arrays"]["file"], allow_pickle=False) as arrays:
        assert {name: arrays[name].dtype for name in arrays} == dict.fromkeys(ARRAYS, np.float64)
    assert safetensors.numpy.load_file(folder / files["weights"]["file"])


@pytest.mark.parametrize("name", ["run.json", "arrays"])
def test_a_file_cut_in_half_is_refused(name, folder, assert_refused):
    path = next(folder.glob(f"{name}*"))
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    assert_refused(folder, path.name, "damaged")


def test_a_checkpoint_cut_in_half_is_refused(stopped, assert_refused):
    path = next(stopped.glob("checkpoint-*"))
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    assert_refused(stopped, path.name, "damaged", read=resume)


@pytest.mark.parametrize("name, read", [("arrays-", RunRecord.load), ("checkpoint-", resume)])
def test_one_changed_byte_is_refused_with_both_hashes(name, read, stopped, assert_refused):
    path = next(stopped.glob(f"{name}*"))
    content = bytearray(path.read_bytes())
    was = sha256(bytes(content))
    content[-1] ^= 1
    path.write_bytes(content)
    assert_refused(stopped, path.name, was[:12], sha256(bytes(content))[:12], read=read)


@pytest.mark.parametrize("name, read", [("arrays-", RunRecord.load), ("checkpoint-", resume)])
def test_a_missing_file_is_refused(name, read, stopped, assert_refused):
    path = next(stopped.glob(f"{name}*"))
    path.unlink()
    assert_refused(stopped, path.name, "No such file", read=read)


@pytest.mark.parametrize("version, remedy", [
    (VERSION + 1, "Update it"), ("2", "Update it"), (None, "Update it"),
    (VERSION - 1, "Run again")])
def test_a_record_of_another_version_is_refused(version, remedy, folder, assert_refused):
    edit(folder, version=version)
    assert_refused(folder, "run.json", f"version {version!r}", f"reads version {VERSION}. {remedy}")


@pytest.mark.parametrize("text", ["[]", "3", '{"format": "something else", "version": 1}', "{}"])
def test_json_of_another_program_is_refused(text, folder, assert_refused):
    (folder / "run.json").write_text(text)
    assert_refused(folder, "run.json", '"format": "workbench-run"')


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"not json"])
def test_what_is_not_json_is_refused(content, folder, assert_refused):
    (folder / "run.json").write_bytes(content)
    assert_refused(folder, "run.json is damaged")


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_refused_by_name(name, folder, assert_refused):
    edit(folder, **{name: None})
    assert_refused(folder, "run.json", f"no {name}")


@pytest.mark.parametrize("changes, printed", [
    ({"task": "three"}, "task is 'three', expected int"),
    ({"task_names": "abc"}, "task_names is 'abc', expected list"),
    ({"task": 99}, "task 99, step 0 do not exist in 3 tasks of 4 steps"),
    ({"step": -1}, "task 3, step -1 do not exist"),
    ({"step": 1}, "task 3, step 1 do not exist"),
    ({"status": "fine"}, "unknown status 'fine'"),
    ({"config": None}, "config"),
    ({"config": {"steps": 0}}, "config: steps must be"),
    ({"config": {"speed": 3}}, "config: unknown settings ['speed']"),
    ({"files": None}, "names no arrays file"),
    ({"files": []}, "names no arrays file"),
    ({"files": {"arrays": {"file": "arrays.npz"}}}, "names no arrays file with its sha256"),
])
def test_a_field_that_cannot_be_is_refused(changes, printed, folder, assert_refused):
    edit(folder, **changes)
    assert_refused(folder, "run.json", printed)


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_another_shape_are_refused(name, original, folder, assert_refused):
    array = getattr(original[0], name)
    replace(folder, "arrays", npz(original[0], **{name: array[:1]}))
    assert_refused(folder, f"array '{name}'", str(array.shape), str((1, *array.shape[1:])))


def test_arrays_of_another_run_are_refused(original, folder, assert_refused, tiny):
    other = run(tiny(tasks=2))
    replace(folder, "arrays", npz(other))
    assert_refused(folder, "array 'accuracy'", "(2, 2, 2)", "(2, 3, 3)")


def test_arrays_of_text_are_refused(original, folder, assert_refused):
    replace(folder, "arrays", npz(original[0], accuracy=original[0].accuracy.astype(str)))
    assert_refused(folder, "array 'accuracy'", "float64")


def test_a_missing_array_is_refused_by_name(original, folder, assert_refused):
    name = replace(folder, "arrays", npz(original[0], curve=None))
    assert_refused(folder, name, "curve")


def empty_zip():
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    return buffer.getvalue()


def lone_array():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and no more", empty_zip(),
                                     lone_array()], ids=["empty", "text", "zip?", "zip", "npy"])
def test_arrays_that_are_none_are_refused_though_the_hash_is_right(content, folder, assert_refused):
    assert_refused(folder, replace(folder, "arrays", content))


def test_pickled_arrays_are_refused_and_not_executed(original, folder, assert_refused, tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "sprung"), "w")

    content = npz(original[0], accuracy=np.array([Trap()], dtype=object))
    assert_refused(folder, replace(folder, "arrays", content), "allow_pickle")
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_of_other_networks_is_refused(stopped, assert_refused):
    foreign = safetensors.numpy.save({"model.weight": np.zeros((2, 3), np.float32)})
    replace(stopped, "checkpoint", foreign)
    assert_refused(stopped, "not of these networks", read=resume)


def test_a_checkpoint_that_is_none_is_refused(stopped, assert_refused):
    name = replace(stopped, "checkpoint", b"hello")
    assert_refused(stopped, name, read=resume)


def test_a_file_entry_cannot_point_outside_the_folder(folder, tmp_path, assert_refused):
    content = next(folder.glob("arrays-*")).read_bytes()
    (tmp_path / "elsewhere.npz").write_bytes(content)
    edit(folder, files={"arrays": {"file": "../elsewhere.npz", "sha256": sha256(content)}})
    assert_refused(folder, "elsewhere.npz", "No such file")


@pytest.mark.parametrize("read", [RunRecord.load, resume])
def test_a_folder_that_holds_no_run_is_refused_and_left_as_it_is(read, tmp_path, assert_refused):
    assert_refused(tmp_path, "holds no run.json", read=read)
    with pytest.raises(RecordError, match="holds no run.json"):
        read(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_in_place_of_the_folder_is_refused(folder):
    for read in (RunRecord.load, resume, read_checkpoint):
        with pytest.raises(RecordError, match="run.json.*Not a directory"):
            read(folder / "run.json")


def test_curve_steps_are_those_at_which_a_task_was_looked_into(tiny):
    assert run(tiny(evaluate_every=3, steps=7, tasks=2)).curve_steps.tolist() == [3, 6, 10, 13]
    assert run(tiny(evaluate_every=0)).curve_steps.tolist() == []


def test_the_matrix_of_a_record_is_that_of_all_seeds_or_of_one(original):
    record = original[0]
    np.testing.assert_array_equal(record.matrix().R, record.accuracy)
    np.testing.assert_array_equal(record.matrix(1).R, record.accuracy[1])
    np.testing.assert_array_equal(record.matrix(1).b, record.baseline[1])
    assert record.matrix().scenario == "class"


def test_weights_that_are_not_those_of_the_run_are_refused(folder, assert_refused):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert_refused(folder, "weights.safetensors", "damaged or has been replaced")


def test_a_record_can_be_read_while_a_checkpoint_replaces_it(stopped, left_off, monkeypatch):
    """`run.json` was read before the arrays it names were replaced, as by a run at work."""
    old = runfiles.read_run_json(stopped)
    record = RunRecord.load(stopped)
    record.losses[:] = 1.5
    (stopped / old["files"]["arrays"]["file"]).unlink()
    record.save(stopped, checkpoint=old["files"]["checkpoint"])
    answers = iter([old])
    read = runfiles.read_run_json
    monkeypatch.setattr(runfiles, "read_run_json", lambda path: next(answers, None) or read(path))
    assert (RunRecord.load(stopped).losses == 1.5).all()
