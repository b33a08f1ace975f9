"""A session with a secret in every place that may have one: none comes to lie where others read, or is shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from front_doors import DOORS, Desk
from kit.archives import make_sdist, make_wheel
from kit.nightly import first_and_at_night

pytestmark = pytest.mark.slow

#: By the place that it stands in; each canary is a word that nothing else has.
CANARIES = {
    place: f"canary-{place}-5eC7e7"
    for place in (
        *("userinfo", "directquery", "directuser", "linksquery", "sdistquery", "listquery"),
        *("configsetting", "variable", "netrc", "setenv", "badline"),
    )
}


def found(*places: Path) -> dict[str, set[str]]:
    """Return which files that others may read have a canary; what a backend put into its wheel is its own affair."""
    lying: dict[str, set[str]] = {}
    files = (path for place in places for path in [place, *place.rglob("*")] if path.is_file())
    for path in files:
        if (
            path.is_symlink()
            or "settled_config_settings" in path.name
            or not path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
        ):
            continue
        content = path.read_bytes()
        for name in (name for name, canary in CANARIES.items() if canary.encode() in content):
            lying.setdefault(name, set()).add(str(path))
    return lying


@pytest.mark.parametrize("door", first_and_at_night(*DOORS))
def test_no_secret_is_shown_or_lies_where_others_read(door: str, seeded: Desk, tmp_path: Path) -> None:
    server = seeded.server
    assert server is not None
    direct = make_wheel(server.directory, "direct")
    make_wheel(server.directory, "linked")
    make_sdist(server.directory, "settled")
    signed = make_sdist(server.directory, "signed")
    host = server.origin.removeprefix("http://")
    server.fault("/more.txt", lambda handler: handler.answer(200, b"--prefer-binary\n") or True)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(f"machine 127.0.0.2 login somebody password {CANARIES['netrc']}\n")
    (home / ".netrc").chmod(0o600)
    seeded.write(
        "requirements.txt",
        f"--find-links http://{host}/files/?sig={CANARIES['linksquery']}\n"
        f"direct @ http://user:{CANARIES['directuser']}@{host}/files/{direct.name}?token={CANARIES['directquery']}\n"
        f"signed @ http://{host}/files/{signed.name}?X-Amz-Signature={CANARIES['sdistquery']}\n"
        "linked\ngood\n"
        f"-r http://{host}/more.txt?token={CANARIES['listquery']}\n"
        f'settled --config-settings="key={CANARIES["configsetting"]}"\n',
    )
    seeded.write(
        "pyproject.toml",
        "[tool.fastenv]\nproject = 'none'\nbuild-variables = ['SECRET_*']\n"
        "[tool.fastenv.envs.named]\nrequirements = ['good']\n"
        f"set-env = {{ TOKEN = '{CANARIES['setenv']}' }}\ncommands = [['python', '-c', 'pass']]\n",
    )
    (seeded.directory / "requirements.txt").chmod(0o600)
    (seeded.directory / "pyproject.toml").chmod(0o600)
    seeded.variables |= {
        "FASTENV_INDEX_URL": seeded.variables["FASTENV_INDEX_URL"].replace("://", f"://user:{CANARIES['userinfo']}@"),
        "SECRET_TOKEN": CANARIES["variable"],
        "HOME": str(home),
    }
    fastenv = seeded.words("fastenv")[0]
    said = seeded.ask(door, "requirements.txt", report="trace.json").is_fine()
    said += seeded.ask(door, "requirements.txt", report="timeline.html").is_fine()
    said += seeded.run([fastenv, "run", "-e", "named", "--report", "named.json"]).output
    said += seeded.run([fastenv, "lock", "requirements.txt", "-o", "pylock.toml"]).output
    for words in (["why", "direct"], ["why", "signed"], ["cache", "info", "--json"], ["cache", "verify"], ["envs"]):
        said += seeded.run([fastenv, *words]).output
    # A line that cannot be read is quoted.
    secret, address = CANARIES["badline"], f"http://{host}/files/x-1.whl"
    for number, line in enumerate(
        (
            f"x @ {address}?token={secret} ; nonsense",
            f"x @ http://user:{secret}@{host}/x-1.whl ; nonsense",
            f"-f {address}?token={secret} --nonsense",
            f'good --config-settings="key={secret}" --nonsense',
            f"good --config-setting key={secret} --nonsense",
            f"-C key={secret} --nonsense",
        )
    ):
        bad = seeded.write(f"bad-{number}.txt", f"{line}\n")
        (seeded.directory / bad).chmod(0o600)
        outcome = seeded.ask(door, bad, report="bad.json")
        assert outcome.code == 4, outcome.output
        said += outcome.output
    # What fails is told with where it stands.
    server.mend()
    server.fault("", lambda handler: handler.answer(404, b"gone") or True)
    for source in ("requirements.txt", f"signed @ http://{host}/files/x-1.tar.gz?sig={CANARIES['sdistquery']}"):
        said += seeded.ask(door, source, report="failed.json", recreate="", max_age="0").output
    for address in (
        f"http://127.0.0.1:9/x-1.tar.gz?sig={CANARIES['sdistquery']}",
        f"git+http://127.0.0.1:9/r?t={secret}",
    ):
        said += seeded.ask(door, f"x @ {address}", report="failed.json").output
    assert {name for name, canary in CANARIES.items() if canary in said} == set(), said
    assert found(seeded.directory, seeded.store) == {}
