"""The password of a web server that asks every visitor for one, as staging sites do."""

from __future__ import annotations

from app.config import Config
from app.domain.connection import calls
from app.keys import SealBroken
from app.models.sites import Site


def login_of(site: Site, config: Config) -> str:
    """Return `name:password`, or an empty text: then the answer is that one is asked for."""
    try:
        return calls.server_login(site, config)
    except SealBroken:
        return ""
