"""What an interpreter says of the machine that built it becomes what is so here; and nothing else of it changes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kit.interpreter_bench import installing, offer_of
from kit.interpreters import Found
from kit.python_archives import BUILD_PREFIX, pack_interpreter

from pytest_fastenv.interpreter_downloads.relocation import relocate
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.store import Store

FINAL = "/store/ab/python"
VARIABLES: dict[str, Any] = {
    "prefix": "/install",
    "exec_prefix": "/install",
    "LIBDIR": "/install/lib",
    "LIBPL": "/install/lib/python3.12/config-3.12",
    "MANDIR": "/install/share/man",
    "INSTALL": "/usr/bin/install -c",
    "srcdir": "/build/install/src",
    "CONFIG_ARGS": "'--prefix=/install' '--with-openssl=/tools/deps' 'CC=clang'",
    "LDFLAGS": "-L/install/lib -Wl,-rpath,/install/lib -L/tools/deps/lib -installed",
    "CFLAGS": "-I/install/include -fdebug-prefix-map=/install/src=x -O2",
    "CC": "/tools/clang-linux64/bin/clang -pthread",
    "CXX": "clang++ -pthread",
    "CPP": "/usr/bin/aarch64-linux-gnu-gcc -E",
    "LDSHARED": "clang -bundle -isysroot /no/such/MacOSX14.2.sdk -undefined dynamic_lookup",
    "LDCXXSHARED": "x86_64-linux-gnu-g++-12 -shared",
    "LINKCC": "musl-clang",
    "BLDSHARED": "icc -shared",
    "AR": "/tools/llvm/bin/llvm-ar",
    "RANLIB": "ranlib",
    "OPT": "-DNDEBUG",
    "Py_DEBUG": 0,
    "MULTI": "two\nlines of /install/x",
}


def tree(place: Path, files: dict[str, str | bytes]) -> str:
    """Write the files of an installation."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(place)


def variables(place: Path, values: dict[str, Any] = VARIABLES, final: str = FINAL) -> dict[str, Any]:
    """Return variables as they are after relocation."""
    name = "lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py"
    relocate(tree(place, {name: f"# comment\nbuild_time_vars = {values!r}\n"}), final)
    found: dict[str, Any] = {}
    exec((place / name).read_text(), found)
    return dict(found["build_time_vars"])


def test_paths_lead_below_the_installation(tmp_path: Path) -> None:
    found = variables(tmp_path)
    assert list(found) == list(VARIABLES)
    assert found["prefix"] == found["exec_prefix"] == FINAL
    assert found["LIBDIR"] == f"{FINAL}/lib"
    assert found["CONFIG_ARGS"] == f"'--prefix={FINAL}' '--with-openssl=/tools/deps' 'CC=clang'"
    assert found["LDFLAGS"] == f"-L{FINAL}/lib -Wl,-rpath,{FINAL}/lib -L/tools/deps/lib -installed"
    assert found["CFLAGS"] == f"-I{FINAL}/include -fdebug-prefix-map={FINAL}/src=x -O2"
    assert found["MULTI"] == f"two\nlines of {FINAL}/x"
    same = ("INSTALL", "srcdir", "RANLIB", "OPT", "Py_DEBUG", "BLDSHARED")
    assert {name: found[name] for name in same} == {name: VARIABLES[name] for name in same}


def test_programs_are_this_machines(tmp_path: Path) -> None:
    found = variables(tmp_path)
    assert found["CC"] == "cc -pthread"
    assert found["CXX"] == "c++ -pthread"
    assert found["CPP"] == "cc -E"
    assert found["LDCXXSHARED"] == "c++ -shared"
    assert found["LINKCC"] == "cc"
    assert found["AR"] == "ar"
    assert found["LDSHARED"] == "cc -bundle -undefined dynamic_lookup"


def test_an_sdk_that_is_here_stays(tmp_path: Path) -> None:
    command = f"cc -isysroot {tmp_path} -shared"
    assert variables(tmp_path / "x", {"prefix": "/install", "LDSHARED": command})["LDSHARED"] == command


def test_a_path_with_a_blank_is_one_word_among_others(tmp_path: Path) -> None:
    final = "/my store/python"
    found = variables(tmp_path, final=final)
    assert found["LIBDIR"] == f"{final}/lib"
    assert shlex.split(found["LDFLAGS"])[0] == f"-L{final}/lib"


@pytest.mark.parametrize("prefix", ["/opt/some/python", "/usr/local"])
def test_another_prefix_is_taken_from_the_variables(prefix: str, tmp_path: Path) -> None:
    values = {"prefix": prefix, "LIBDIR": f"{prefix}/lib", "near": f"{prefix}x/lib"}
    expected = {"prefix": FINAL, "LIBDIR": f"{FINAL}/lib", "near": f"{prefix}x/lib"}
    assert variables(tmp_path, values) == expected


def test_what_all_programs_share_is_no_prefix(tmp_path: Path) -> None:
    values = {"prefix": "/usr", "INSTALL": "/usr/bin/install -c", "LIBDIR": "/install/lib"}
    assert variables(tmp_path, values) == {**values, "LIBDIR": f"{FINAL}/lib"}


def test_variables_as_json(tmp_path: Path) -> None:
    """As interpreters have them since 3.14 (PEP 739)."""
    library = "lib/python3.14t"
    details = {"base_prefix": "/install", "language": {"version": "3.14"}, "libpython": {"d": ["/install/lib/x.so"]}}
    files: dict[str, str | bytes] = {
        f"{library}/_sysconfig_vars__linux_x86_64-linux-gnu.json": json.dumps(VARIABLES),
        f"{library}/build-details.json": json.dumps(details),
        f"{library}/_sysconfigdata_t_odd.py": "build_time_vars = dict(prefix='/install')\nx = '/install/lib'\n",
        f"{library}/_sysconfigdata_t_broken.py": "build_time_vars = {'/install'",
        f"{library}/EXTERNALLY-MANAGED": "[externally-managed]\n",
    }
    relocate(tree(tmp_path, files), FINAL)
    texts = {Path(name).name: (tmp_path / name).read_text() for name in files if (tmp_path / name).exists()}
    assert json.loads(texts["_sysconfig_vars__linux_x86_64-linux-gnu.json"])["LIBDIR"] == f"{FINAL}/lib"
    assert json.loads(texts["build-details.json"]) == {
        "base_prefix": FINAL,
        "language": {"version": "3.14"},
        "libpython": {"d": [f"{FINAL}/lib/x.so"]},
    }
    assert texts["_sysconfigdata_t_odd.py"] == f"build_time_vars = dict(prefix='{FINAL}')\nx = '{FINAL}/lib'\n"
    assert texts["_sysconfigdata_t_broken.py"] == f"build_time_vars = {{'{FINAL}'"
    assert "EXTERNALLY-MANAGED" not in texts


def test_pkg_config(tmp_path: Path) -> None:
    text = "# See /install\nprefix=/install\nlibdir=${prefix}/lib\nLibs.private: -L/install/lib -ldl\n"
    place = tree(tmp_path, {"lib/pkgconfig/python-3.12.pc": text, "lib/pkgconfig/readme": text})
    os.symlink("python-3.12.pc", tmp_path / "lib/pkgconfig/python3.pc")
    relocate(place, "/my store/python")
    changed = (tmp_path / "lib/pkgconfig/python-3.12.pc").read_text()
    assert changed == text.replace("/install", "/my\\ store/python")
    assert (tmp_path / "lib/pkgconfig/python3.pc").is_symlink()
    assert (tmp_path / "lib/pkgconfig/readme").read_text() == text


SCRIPT = "#!/install/bin/python3.12 -E\nimport pydoc\nprint('/install/lib', '/usr/bin/install')\n"


def test_scripts(tmp_path: Path) -> None:
    binary = b"#!/install/bin/python\n\xff\xfe/install"
    files: dict[str, str | bytes] = {
        "bin/pydoc3.12": SCRIPT,
        "bin/config": '#!/bin/sh\nprefix="/install"\n',
        "bin/python3.12": b"\x7fELF /install",
        "bin/other": binary,
    }
    place = tree(tmp_path, files)
    (tmp_path / "bin/pydoc3.12").chmod(0o755)
    os.symlink("/etc/passwd", tmp_path / "bin/link")
    relocate(place, FINAL)
    read = {name: (tmp_path / name).read_bytes() for name in files}
    assert read["bin/pydoc3.12"].decode() == (
        f"#!{FINAL}/bin/python3.12 -E\nimport pydoc\nprint('{FINAL}/lib', '/usr/bin/install')\n"
    )
    assert read["bin/config"].decode() == f'#!/bin/sh\nprefix="{FINAL}"\n'
    assert (read["bin/python3.12"], read["bin/other"]) == (files["bin/python3.12"], binary)
    assert os.access(tmp_path / "bin/pydoc3.12", os.X_OK)


@pytest.mark.skipif(sys.platform == "win32", reason="shebangs")
@pytest.mark.parametrize("name", ["with a blank", "long" * 40])
def test_scripts_run_from_any_path(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    tree(place, {"bin/hello": "#!/install/bin/python3\nimport sys\nprint('hello', sys.argv[1:])\n"})
    os.symlink(sys.executable, place / "bin/python3")
    (place / "bin/hello").chmod(0o755)
    relocate(str(place), str(place))
    done = subprocess.run([place / "bin/hello", "a b"], capture_output=True, text=True, check=True)
    assert done.stdout == "hello ['a b']\n"


def test_where_there_is_nothing_to_do(tmp_path: Path) -> None:
    """An interpreter of Windows; and one that has been relocated already."""
    relocate(tree(tmp_path / "windows", {"python.exe": b"MZ", "Lib/os.py": "'/install'"}), FINAL)
    assert (tmp_path / "windows/Lib/os.py").read_text() == "'/install'"
    place = tmp_path / "twice"
    first = variables(place)
    before = (place / "lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py").read_bytes()
    relocate(str(place), FINAL)
    assert (place / "lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py").read_bytes() == before
    assert first["prefix"] == FINAL


REAL = pytest.mark.skipif(sys.platform != "linux", reason="archives are packed from interpreters of Linux")


@pytest.fixture(scope="module")
def relocated(interpreters: list[Found], tmp_path_factory: pytest.TempPathFactory) -> list[Target]:
    """The oldest and the newest interpreter of the machine, installed."""
    from pytest_fastenv.model.events import Recorder

    place = tmp_path_factory.mktemp("relocated")
    archives = [pack_interpreter(python, place) for _, python in (interpreters[0], interpreters[-1])]
    targets: list[Target] = installing(Store(place / "store", recorder=Recorder()), *map(offer_of, archives))
    return targets


@REAL
@pytest.mark.slow
def test_variables_of_real_interpreters_name_what_is_there(relocated: list[Target]) -> None:
    code = """
import json, sys, sysconfig
names = ("prefix", "exec_prefix", "LIBDIR", "INCLUDEPY", "LIBDEST", "BINDIR")
print(json.dumps([sys.prefix, {n: sysconfig.get_config_var(n) for n in names}, sysconfig.get_config_vars()]))
"""
    for target in relocated:
        done = subprocess.run([target.python, "-I", "-c", code], capture_output=True, text=True, check=True)
        prefix, paths, everything = json.loads(done.stdout)
        assert prefix == str(Path(target.python).parents[1])
        for name, path in paths.items():
            assert path.startswith(prefix), name
            assert os.path.isdir(path), name
        words = [word for value in everything.values() if isinstance(value, str) for word in value.split()]
        assert not [word for word in words if word.startswith(("/install", "/tools")) or "clang" in word]
        assert not list(Path(prefix).glob("lib/python3*/EXTERNALLY-MANAGED"))


@REAL
@pytest.mark.slow
def test_no_text_of_real_interpreters_names_the_build_prefix(relocated: list[Target]) -> None:
    for target in relocated:
        home = Path(target.python).parents[1]
        texts = [*home.glob("lib/pkgconfig/*"), *home.glob("lib/python3*/_sysconfigdata*.py")]
        texts += [path for path in home.glob("bin/*") if path.read_bytes()[:2] == b"#!"]
        assert len(texts) >= 4
        for path in texts:
            words = path.read_text().replace('"', " ").replace("=", " ").replace("'", " ").split()
            assert not [word for word in words if word.startswith((BUILD_PREFIX, f"-L{BUILD_PREFIX}"))], path
        (pydoc,) = home.glob("bin/pydoc3*")
        done = subprocess.run([pydoc, "abs"], capture_output=True, text=True, check=True)
        assert "absolute value" in done.stdout


@REAL
@pytest.mark.slow
def test_an_extension_module_is_compiled_with_what_they_say(relocated: list[Target], tmp_path: Path) -> None:
    """By the compiler, flags and directories of `sysconfig` alone, as build backends do it."""
    source = tmp_path / "answer.c"
    source.write_text(
        "#include <Python.h>\n"
        'static struct PyModuleDef it = {PyModuleDef_HEAD_INIT, "answer"};\n'
        "PyMODINIT_FUNC PyInit_answer(void) {\n"
        "    PyObject *module = PyModule_Create(&it);\n"
        '    PyModule_AddIntConstant(module, "answer", 42);\n'
        "    return module;\n"
        "}\n"
    )
    code = """
import os, shlex, subprocess, sys, sysconfig
variable = sysconfig.get_config_var
into = os.path.join(sys.argv[2], "answer" + variable("EXT_SUFFIX"))
flags = [word for name in ("CC", "CFLAGS", "CCSHARED") for word in shlex.split(variable(name))]
subprocess.run([*flags, "-I" + sysconfig.get_path("include"), "-c", sys.argv[1], "-o", into + ".o"], check=True)
subprocess.run([*shlex.split(variable("LDSHARED")), into + ".o", "-o", into], check=True)
sys.path.insert(0, sys.argv[2])
import answer
print(answer.answer)
"""
    if subprocess.run(["cc", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("NO COMPILER: cc is missing")
    for target in relocated:
        into = tmp_path / target.version
        into.mkdir()
        command = [target.python, "-I", "-c", code, source, into]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.stdout == "42\n", done.stderr
