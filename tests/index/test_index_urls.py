from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.index.urls import Login, WebOrigin, file_url, is_url, local_path, shown, split_login, web_origin


def test_an_origin_has_the_scheme_s_port() -> None:
    assert web_origin("https://Example.invalid/x") == WebOrigin("https", "example.invalid", 443)
    assert str(web_origin("http://example.invalid:8080/")) == "http://example.invalid:8080"
    assert str(web_origin("https://[::1]/")) == "https://[::1]"


@pytest.mark.parametrize(
    ("url", "plain", "login"),
    [
        ("https://u:p@h.invalid/x", "https://h.invalid/x", ("u", "p")),
        ("https://u%40d:p%2F%3A@h.invalid/x", "https://h.invalid/x", ("u@d", "p/:")),
        ("https://token@h.invalid/", "https://h.invalid/", ("token", None)),
        ("https://:p@h.invalid/", "https://h.invalid/", ("", "p")),
        ("https://@h.invalid/", "https://h.invalid/", None),
        ("https://h.invalid/a@b", "https://h.invalid/a@b", None),
    ],
)
def test_a_login_is_taken_off(url: str, plain: str, login: tuple[str, str | None] | None) -> None:
    assert split_login(url) == (plain, Login(*login) if login else None)


def test_a_login_does_not_show_itself() -> None:
    login = Login("somebody", "secret")
    assert "secret" not in f"{login} {login!r}"
    assert "somebody" not in f"{login!r}"


def test_what_is_shown_has_no_secrets() -> None:
    assert shown("https://u:p@h.invalid/x.whl?token=s#sha256=0") == "https://h.invalid/x.whl"


def test_paths_survive_the_way_to_a_url_and_back(tmp_path: Path) -> None:
    path = tmp_path / "a b#c%20é?.whl"
    assert local_path(file_url(path)) == path
    assert "#" not in file_url(path)
    assert file_url(tmp_path, directory=True).endswith("/")


def test_a_file_url_with_a_host_is_refused() -> None:
    with pytest.raises(ValueError, match="three slashes"):
        local_path("file://server/share")


def test_a_drive_letter_is_no_scheme() -> None:
    assert not is_url("c:/wheels")
    assert not is_url("wheels/x")
    assert is_url("file:///wheels")
