"""Pairing and reading a report work through every server and every honest proxy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from app import protocol
from app.http.site_client import CallError, ErrorCode
from tests.plugin.support.dashboard import Paired
from tests.rigs.rigs import HONEST, SERVERS, Rig, Rigs

PATHS = (
    "/wp-json/siteagent/v1/rpc",
    "/?rest_route=/siteagent/v1/rpc",
    "/wp-admin/admin-ajax.php?action=siteagent_rpc",
)


# One that is not the server of every other test here: nginx, which needs no .htaccess.
_EVERY_RUN = "nginx-fpm"
_RIGS = [
    one if one == _EVERY_RUN else pytest.param(one, marks=pytest.mark.nightly)
    for one in (*SERVERS, *HONEST)
]


@pytest.fixture(scope="module", params=_RIGS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rig(rigs: Rigs, name: str) -> Iterator[Rig]:
    with rigs.at(name) as here:
        yield here


@pytest.fixture(scope="module")
def paired(rig: Rig) -> Paired:
    return rig.pair()


def at(paired: Paired, endpoint: str) -> Paired:
    return replace(paired, channel=replace(paired.channel, endpoint=endpoint))


@pytest.mark.parametrize("path", PATHS)
def test_ping_and_report_work_at_every_address(rig: Rig, paired: Paired, path: str) -> None:
    here = at(paired, rig.url + path)
    assert here.ask("ping").document["ok"] is True
    first = here.ask("report", have=None).document
    assert first["report"]["wordpress"]["home"] == rig.url
    digest = first["digest"]
    # A WordPress that has just started still changes, for example by its first cron run.
    for _ in range(3):
        again = here.ask("report", have=digest).document
        if "unchanged" in again:
            break
        digest = again["digest"]
    assert again["unchanged"] is True


@pytest.mark.parametrize("path", PATHS)
def test_a_precise_refusal_keeps_its_status_and_signature(
    rig: Rig, paired: Paired, path: str
) -> None:
    with pytest.raises(CallError) as refused:
        at(paired, rig.url + path).ask("report", have="no digest")
    assert refused.value.error_code is ErrorCode.refused_by_site
    assert refused.value.evidence["code"] == "invalid_arguments"


def test_an_unsigned_request_gets_the_plugins_refusal(rig: Rig, paired: Paired) -> None:
    with pytest.raises(CallError) as refused:
        replace(paired, channel=replace(paired.channel, send_key=b"x" * 32)).ask("ping")
    assert refused.value.error_code is ErrorCode.unauthorized


def test_a_large_request_arrives_completely(rig: Rig, paired: Paired) -> None:
    with pytest.raises(CallError) as refused:
        paired.ask("ping", padding="x" * 60_000)
    assert refused.value.evidence["code"] == "invalid_arguments"


def test_every_server_compresses_on_request(rig: Rig, paired: Paired) -> None:
    """Aura must not request compression, because the digest is of the uncompressed bytes."""
    page = requests.get(f"{rig.url}/wp-json/", timeout=30)
    assert page.headers["Content-Encoding"] == "gzip"
    sent = protocol.sign_request(
        paired.channel.endpoint,
        protocol.canonical({"v": 1, "op": "ping", "by": "Ben"}),
        key=paired.channel.send_key,
        keyid=paired.channel.keyid,
        created=paired.ask("ping").document["time"],
        nonce=protocol.new_nonce(),
    )
    headers = sent.headers | {"Accept-Encoding": "gzip"}
    answer = requests.post(sent.url, data=sent.body, headers=headers, timeout=30)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert protocol.is_signed(answer.headers)


def test_each_server_has_the_software_of_its_name(rig: Rig, name: str) -> None:
    response = requests.get(
        f"{rig.url}/wp-json/rigs/v1/told", headers={"Authorization": "Basic x"}, timeout=30
    ).json()
    ways = {
        "apache-mod-php": ("Apache", "apache2handler"),
        "nginx-fpm": ("nginx", "fpm-fcgi"),
        "apache-fpm": ("Apache", "fpm-fcgi"),
        "apache-cgi": ("Apache", "cgi-fcgi"),
        "proxy": ("Apache", "apache2handler"),
        "folder": ("Apache", "apache2handler"),
    }
    assert (response["server"][: len(ways[name][0])], response["interface"]) == ways[name]
    # A proxy renames the site.
    assert response["host"] == ("wordpress" if name in HONEST else rig.url.removeprefix("http://"))
