"""Measurements between loads: kept where the user says, never trusted, never in the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_machine import FakeMachine, no_clock
from linear_reference import sparse_weight

import sparseinf
from sparseinf import SparseLinear
from sparseinf.compile import measurement_cache
from sparseinf.compile.measurement_cache import MeasurementCache, cache_folder
from sparseinf.compile.tune import Tuner
from sparseinf.formats import Csr

WEIGHT = Csr.from_dense(sparse_weight((64, 64), 0.5))


@pytest.fixture(name="folder")
def _folder(tmp_path, monkeypatch):
    """Where SPARSEINF_CACHE points: not there yet."""
    monkeypatch.setenv("SPARSEINF_CACHE", str(tmp_path / "cache" / "mine"))
    return tmp_path / "cache" / "mine"


@pytest.fixture(name="machine")
def _machine(monkeypatch):
    """A machine where the model is wrong."""
    return FakeMachine(monkeypatch, {"dense": 100, "csr": 60})


def loaded(tuner, **options):
    layer = SparseLinear.from_format(WEIGHT, tuner=tuner, **{"batch": 8, "threads": 1, **options})
    tuner.keep()
    return layer


class TestHits:
    def test_a_second_load_looks_at_no_clock(self, folder, machine):
        first = loaded(machine.tuner())
        second = loaded(Tuner(timer=no_clock))
        assert [layer.plan(8).times_from for layer in (first, second)] == ["measurement", "cache"]
        assert second.plan(8).pack == first.plan(8).pack == "csr"
        assert second.plan(8).measured_ns == first.plan(8).measured_ns
        assert [path.suffix for path in folder.iterdir()] == [".json"]

    @pytest.mark.parametrize("other", [{"threads": 2}, {"batch": 9}, {"isa": "scalar"}], ids=str)
    def test_other_circumstances_are_measured_again(self, folder, machine, other):
        loaded(machine.tuner())
        isa = other.pop("isa", None) or sparseinf.runtime.current_isa()
        is_same = not other and isa == sparseinf.runtime.current_isa()
        with sparseinf.use_isa(isa):
            layer = loaded(machine.tuner(), **other)
        assert folder.is_dir()
        assert layer.plan(8).times_from == ("cache" if is_same else "measurement")

    def test_from_the_caches_and_from_memory_are_two_things(self, folder, machine):
        loaded(machine.tuner())
        for expected in ("measurement", "cache"):
            assert loaded(machine.tuner(1e9, num_layers=10**6)).plan(8).times_from == expected
        assert loaded(Tuner(timer=no_clock)).plan(8).times_from == "cache"
        assert len(list(folder.iterdir())) == 1

    @pytest.mark.parametrize("changed", ["sparseinf", "processor"])
    def test_other_versions_and_processors_have_files_of_their_own(self, folder, machine, monkeypatch, changed):
        loaded(machine.tuner())
        if changed == "sparseinf":
            monkeypatch.setattr(measurement_cache, "__version__", "99.0")
        else:
            known = measurement_cache.runtime.cpu_info()
            monkeypatch.setattr(measurement_cache.runtime, "cpu_info", lambda: {**known, "model": "another"})
        assert loaded(machine.tuner()).plan(8).times_from == "measurement"
        assert len(list(folder.iterdir())) == 2

    def test_another_build_of_the_same_version_starts_anew(self, folder, machine, monkeypatch):
        loaded(machine.tuner())
        monkeypatch.setattr(measurement_cache.runtime, "extension_build", lambda: "another")
        assert loaded(machine.tuner()).plan(8).times_from == "measurement"
        assert loaded(Tuner(timer=no_clock)).plan(8).times_from == "cache"
        assert len(list(folder.iterdir())) == 1

    def test_a_load_writes_once_and_keeps_what_was_there(self, folder):
        cache = MeasurementCache(folder)
        assert cache.add({"a": {"csr": 1.0}, "b": {"csr": 2.0}}) is None
        assert cache.add({"b": {"csr": 3.0}}) is None
        assert cache.read() == {"a": {"csr": 1.0}, "b": {"csr": 3.0}}

    def test_the_oldest_go_when_there_are_too_many(self, folder, monkeypatch):
        monkeypatch.setattr(measurement_cache, "_MOST_ENTRIES", 3)
        cache = MeasurementCache(folder)
        for name in "abcda":
            cache.add({name: {"csr": 1.0}})
        assert list(cache.read()) == ["c", "d", "a"]


def _changed(**fields):
    return lambda content: json.dumps(json.loads(content) | fields).encode()


class TestDamage:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda _: b"",
            lambda content: content[: len(content) // 2],
            lambda content: content[:-1],
            lambda _: b"\xff\xfe\x00not text",
            lambda _: b"[1, 2]",
            lambda _: b"null",
            lambda _: b"[" * 100_000,
            lambda _: b"9" * 5000,
            _changed(measured_ns=None),
            _changed(measured_ns=[1]),
            _changed(machine=None),
            _changed(machine={"schema": 2}),
            _changed(machine={"sparseinf": "99.0", "processor": "x", "schema": 1}),
            lambda content: content.replace(b"480000.0", b'"480000.0"'),
            lambda content: content.replace(b"480000.0", b"NaN"),
            lambda content: content.replace(b"480000.0", b"-1"),
            lambda content: content.replace(b"480000.0", b"true"),
            lambda content: content.replace(b"480000.0", b"[]"),
            lambda content: content.replace(b"480000.0", b"1e999"),
            lambda content: content.replace(b"480000.0", b"1" + b"0" * 400),
            lambda content: content.replace(b'"csr"', b'"someone"'),
        ],
    )
    def test_a_damaged_file_is_ignored_and_written_anew(self, folder, machine, damage):
        loaded(machine.tuner())
        (path,) = folder.iterdir()
        content = path.read_bytes()
        assert damage(content) != content
        path.write_bytes(damage(content))
        assert loaded(machine.tuner()).plan(8).times_from == "measurement"
        assert loaded(Tuner(timer=no_clock)).plan(8).times_from == "cache"

    def test_a_file_of_absurd_size_is_ignored(self, folder, machine, monkeypatch):
        loaded(machine.tuner())
        assert len(list(folder.iterdir())) == 1
        monkeypatch.setattr(measurement_cache, "_MOST_BYTES", 10)
        assert loaded(machine.tuner()).plan(8).times_from == "measurement"

    def test_a_folder_where_the_file_should_be_is_no_cache(self, folder, machine):
        MeasurementCache(folder).path.mkdir(parents=True)
        layer = loaded(machine.tuner())
        assert layer.plan(8).pack == "csr"
        assert any("were not kept" in note for note in layer.explain().notes)

    @pytest.mark.parametrize("below", ["", "deeper/still"])
    def test_a_folder_that_cannot_be_written_to_is_no_cache_and_explain_says_so(
        self, tmp_path, machine, monkeypatch, below
    ):
        (tmp_path / "file").write_text("not a folder")
        monkeypatch.setenv("SPARSEINF_CACHE", str(tmp_path / "file" / below))
        layer = loaded(machine.tuner())
        assert layer.plan(8).pack == "csr"
        notes = [note for note in layer.explain().notes if "were not kept" in note]
        assert len(notes) == 1
        assert str(tmp_path / "file") in notes[0]

    def test_notes_of_a_whole_load_reach_every_layer(self, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("not a folder")
        monkeypatch.setenv("SPARSEINF_CACHE", str(tmp_path / "file"))
        weights = sparseinf.load({f"{i}.weight": sparse_weight((64, 64 + i), 0.5) for i in range(2)}, threads=1)
        for layer in weights.values():
            assert any("were not kept" in note for note in layer.explain().notes)


class TestWriters:
    SCRIPT = """
import sys
from pathlib import Path
from sparseinf.compile.measurement_cache import MeasurementCache
folder, name = sys.argv[1:]
cache = MeasurementCache(Path(folder))
for i in range(40):
    problem = cache.add({f"{name} {i}": {"csr": float(i + 1)}})
    assert problem is None, problem
    read = cache.read()
    assert read and all(set(times) == {"csr"} for times in read.values()), read
"""

    def test_processes_at_once_leave_a_whole_file(self, folder):
        writers = [
            subprocess.Popen([sys.executable, "-c", self.SCRIPT, str(folder), name], cwd="/") for name in ("a", "b")
        ]
        assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
        assert len(list(folder.iterdir())) == 1
        read = MeasurementCache(folder).read()
        # Who wrote last has all of what it wrote last; of the other only what was added in between may be missing.
        assert "a 39" in read or "b 39" in read


class TestFolder:
    @pytest.mark.parametrize("setting", ["off", "OFF"])
    def test_off_writes_and_reads_nothing(self, tmp_path, machine, monkeypatch, setting):
        monkeypatch.setenv("SPARSEINF_CACHE", setting)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        for _ in range(2):
            assert loaded(machine.tuner()).plan(8).times_from == "measurement"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("platform", "environment", "expected"),
        [
            ("linux", {}, "/home/me/.cache/sparseinf"),
            ("linux", {"SPARSEINF_CACHE": ""}, "/home/me/.cache/sparseinf"),
            ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/sparseinf"),
            ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/sparseinf"),
            ("linux", {"XDG_CACHE_HOME": "/xdg", "SPARSEINF_CACHE": "/mine"}, "/mine"),
            ("darwin", {"XDG_CACHE_HOME": "/xdg"}, "/home/me/Library/Caches/sparseinf"),
            ("win32", {"LOCALAPPDATA": "/local"}, "/local/sparseinf"),
            ("win32", {}, "/home/me/AppData/Local/sparseinf"),
        ],
        ids=str,
    )
    def test_is_the_users(self, monkeypatch, platform, environment, expected):
        for name in ("SPARSEINF_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(measurement_cache.sys, "platform", platform)
        monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
        assert cache_folder() == Path(expected)

    def test_nobody_at_home_is_no_cache(self, monkeypatch):
        def nobody():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.delenv("SPARSEINF_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(measurement_cache.sys, "platform", "linux")
        monkeypatch.setattr(Path, "home", nobody)
        assert cache_folder() is None
