from __future__ import annotations

import os
from pathlib import Path

import pytest
from distlib.index import DEFAULT_INDEX

from pytest_fastenv.errors import UsageError
from pytest_fastenv.index.config import IndexChoice, IndexConfig, Proxies
from pytest_fastenv.model.request import IndexOptions

BARE = {"PIP_CONFIG_FILE": os.devnull, "HOME": "/nonexistent"}


def load(choice: IndexChoice | None = None, options: IndexOptions | None = None, **environ: str) -> IndexConfig:
    return IndexConfig.load(choice or IndexChoice(), options or IndexOptions(), BARE | environ)


def test_the_default_is_distlib_s_index_in_its_simple_form() -> None:
    assert load().index_urls == (DEFAULT_INDEX.removesuffix("pypi") + "simple/",)


def test_what_pip_would_use() -> None:
    config = load(
        PIP_INDEX_URL="https://a.invalid/simple",
        PIP_EXTRA_INDEX_URL="https://b.invalid/simple/ https://c.invalid/",
        PIP_TRUSTED_HOST="c.invalid",
        PIP_TIMEOUT="7",
        PIP_RETRIES="1",
    )
    assert config.index_urls == ("https://a.invalid/simple/", "https://b.invalid/simple/", "https://c.invalid/")
    assert (config.network.timeout_s, config.network.retries) == (7, 1)
    assert config.network.trusted_hosts == ("c.invalid",)


def test_options_of_requirements_files_add_or_replace() -> None:
    pip = {"PIP_INDEX_URL": "https://a.invalid/", "PIP_EXTRA_INDEX_URL": "https://b.invalid/"}
    extra = IndexOptions(extra_index_urls=("https://c.invalid/",))
    assert load(None, extra, **pip).index_urls == ("https://a.invalid/", "https://b.invalid/", "https://c.invalid/")
    main = IndexOptions(index_url="https://d.invalid/", extra_index_urls=("https://c.invalid/",))
    assert load(None, main, **pip).index_urls == ("https://d.invalid/", "https://c.invalid/")


def test_our_settings_count_first() -> None:
    choice = IndexChoice(index_url="https://s.invalid/", find_links=("https://l.invalid/",), timeout_s=3)
    options = IndexOptions(index_url="https://d.invalid/", no_index=True, find_links=("https://m.invalid/",))
    config = load(choice, options, PIP_NO_INDEX="1", PIP_TIMEOUT="9", PIP_EXTRA_INDEX_URL="https://b.invalid/")
    assert config.index_urls == ("https://s.invalid/",)
    assert config.find_links == ("https://l.invalid/",)
    assert config.network.timeout_s == 3


@pytest.mark.parametrize(("options", "environ"), [(IndexOptions(no_index=True), {}), (None, {"PIP_NO_INDEX": "yes"})])
def test_no_index_leaves_find_links(tmp_path: Path, options: IndexOptions | None, environ: dict[str, str]) -> None:
    config = load(None, options, PIP_FIND_LINKS=str(tmp_path), **environ)
    assert config.index_urls == ()
    assert config.find_links == (f"file://{tmp_path}/",)


def test_credentials_do_not_stay_in_urls() -> None:
    config = load(PIP_INDEX_URL="https://u:secret@a.invalid/simple/")
    assert config.index_urls == ("https://a.invalid/simple/",)
    assert "secret" not in repr(config)
    assert config.credentials.header("https://a.invalid/files/x.whl") is not None


def test_the_login_of_the_mirror_for_interpreters_is_known() -> None:
    config = load(IndexChoice(mirror="https://me:secret@mirror.invalid/pythons"))
    assert config.credentials.header("https://mirror.invalid/pythons/SHA256SUMS") == "Basic bWU6c2VjcmV0"
    assert config.credentials.header("https://other.invalid/") is None
    for odd in ("~/pythons", "https://me:secret@[::1", "file:///pythons"):
        assert load(IndexChoice(mirror=odd)).index_urls == load().index_urls


def test_proxies_and_certificates_name_their_place() -> None:
    config = load(https_proxy="proxy.invalid:3128", HTTP_PROXY="http://u:secret@old.invalid", NO_PROXY="b.invalid")
    proxies = config.network.proxies
    assert (proxies.https, proxies.http) == ("http://proxy.invalid:3128", "http://u:secret@old.invalid")
    assert proxies.source == "HTTP_PROXY, https_proxy"
    assert "secret" not in repr(config)
    assert load(PIP_CERT="/x.pem", SSL_CERT_FILE="/y.pem").network.cert_source == "PIP_CERT"
    assert load(REQUESTS_CA_BUNDLE="/z.pem", SSL_CERT_FILE="/y.pem").network.cert == Path("/z.pem")


def test_proxies_of_the_environment_may_be_ignored() -> None:
    assert load(https_proxy="proxy.invalid:3128", PIP_NO_PROXY_ENV="1").network.proxies == Proxies()
    assert (
        load(https_proxy="old.invalid", PIP_NO_PROXY_ENV="1", PIP_PROXY="own.invalid").network.proxies.source
        == "PIP_PROXY"
    )


def test_a_cgi_script_s_proxy_variable_is_not_believed() -> None:
    assert load(HTTP_PROXY="http://evil.invalid", REQUEST_METHOD="GET").network.proxies.http is None


def test_unknown_schemes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"ftp://a\.invalid"):
        load(PIP_INDEX_URL="ftp://u:secret@a.invalid/")


def test_an_address_with_a_variable_that_is_not_set_is_refused_where_it_counts() -> None:
    options = IndexOptions(index_url="https://u:${SECRET}@h.invalid/${X}/simple")
    with pytest.raises(UsageError) as caught:
        load(None, options)
    assert "the variable SECRET is not set" in (caught.value.why or "")
    with pytest.raises(UsageError, match="find-links"):
        load(None, IndexOptions(find_links=("https://${X}/links",)))
    assert load(IndexChoice(index_url="https://s.invalid/"), options).index_urls == ("https://s.invalid/",)
