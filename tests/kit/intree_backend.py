"""A build backend of the standard library alone; its text is put into every in-tree source distribution of the kit.

It reads ``intree_backend.json`` beside it (see `kit.archives`). Runs on Python 3.6 and newer.
"""

import base64
import hashlib
import io
import json
import os
import time
import zipfile

with open("intree_backend.json", encoding="utf-8") as _stream:
    CONFIG = json.load(_stream)

DIST_INFO = CONFIG["stem"] + ".dist-info"


class _Exclusive:
    """Holds a sentinel file for this process alone; one that is held elsewhere is an error, a dead holder's is not."""

    def __init__(self, path):
        self.path = path
        self.stream = None

    def __enter__(self):
        if self.path is None:
            return
        self.stream = open(self.path, "a+b")
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(self.stream.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self.stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = "another build of {} holds {}".format(CONFIG["stem"], self.path)
            raise SystemExit(message) from None

    def __exit__(self, *_exc):
        if self.stream is not None:
            self.stream.close()


def _append(path, text):
    if path is None:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, text.encode("utf-8"))
    finally:
        os.close(descriptor)


def _dist_info_files():
    files = {
        DIST_INFO + "/METADATA": CONFIG["metadata"],
        DIST_INFO + "/WHEEL": CONFIG["wheel"],
    }
    if CONFIG["entry_points"]:
        files[DIST_INFO + "/entry_points.txt"] = CONFIG["entry_points"]
    return {name: text.encode("utf-8") for name, text in files.items()}


def _write_wheel(directory, files):
    files = dict(files)
    files.update(_dist_info_files())
    rows = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode("ascii").rstrip("=")
        rows.append(f"{name},sha256={digest},{len(data)}\n")
    rows.append(DIST_INFO + "/RECORD,,\n")
    files[DIST_INFO + "/RECORD"] = "".join(rows).encode("utf-8")
    filename = "{}-{}.whl".format(CONFIG["stem"], CONFIG["tag"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    with open(os.path.join(directory, filename), "wb") as stream:
        stream.write(buffer.getvalue())
    return filename


def _packaged_files():
    files = {}
    for name in sorted(CONFIG["files"]):
        with open(name, "rb") as stream:
            files[name] = stream.read()
    return files


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Pack the project's files; this is where builds are logged, held up and kept apart from each other."""
    with _Exclusive(CONFIG["exclusive"]):
        line = "{} {} pid={} ns={}\n".format(CONFIG["name"], CONFIG["version"], os.getpid(), time.monotonic_ns())
        _append(CONFIG["build_log"], line)
        if CONFIG["hold_s"]:
            time.sleep(CONFIG["hold_s"])
        files = _packaged_files()
        if config_settings:
            package = CONFIG["name"].lower().replace("-", "_").replace(".", "_")
            files[package + "_config_settings.json"] = json.dumps(config_settings, sort_keys=True).encode("utf-8")
        return _write_wheel(wheel_directory, files)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Make a wheel with a .pth file that leads to the source tree (PEP 660)."""
    pth = "__editable__{}.pth".format(CONFIG["stem"].replace("-", "_"))
    return _write_wheel(wheel_directory, {pth: (os.getcwd() + "\n").encode("utf-8")})


def build_sdist(sdist_directory, config_settings=None):
    """Pack the whole tree as ``name-version.tar.gz``."""
    import tarfile

    filename = CONFIG["stem"] + ".tar.gz"
    with tarfile.open(os.path.join(sdist_directory, filename), "w:gz") as archive:
        for directory, subdirectories, names in os.walk("."):
            subdirectories[:] = sorted(d for d in subdirectories if d != "__pycache__")
            for name in sorted(names):
                path = os.path.normpath(os.path.join(directory, name))
                if not os.path.samefile(directory, sdist_directory):
                    archive.add(path, CONFIG["stem"] + "/" + path.replace(os.sep, "/"))
    return filename


def get_requires_for_build_wheel(config_settings=None):
    """Return what the project was made to ask for on top of build-system.requires."""
    return CONFIG["get_requires"]


get_requires_for_build_editable = get_requires_for_build_wheel


def get_requires_for_build_sdist(config_settings=None):
    """Ask for nothing."""
    return []


if CONFIG["prepare"]:

    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        """Write the dist-info directory."""
        os.mkdir(os.path.join(metadata_directory, DIST_INFO))
        for name, data in _dist_info_files().items():
            with open(os.path.join(metadata_directory, name), "wb") as stream:
                stream.write(data)
        return DIST_INFO

    prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
