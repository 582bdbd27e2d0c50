"""`python -m app.run.health`: ask the web process on this machine whether it is alive.

For the health check of a container, in which there is no other HTTP client.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from app.config import Config

_ANSWERS_WITHIN_S = 8


def main() -> int:
    """Print what `/healthz` answers; the exit status is 0 if the web process is alive."""
    config = Config.from_env().as_served()
    # Linux connects to itself where the address means all addresses of the machine.
    connection = HTTPConnection(config.bind, config.port, timeout=_ANSWERS_WITHIN_S)
    try:
        # Aura answers only to the host names it knows.
        connection.request("GET", "/healthz", headers={"Host": urlsplit(config.origin).netloc})
        answer = connection.getresponse()
        print(answer.status, answer.read(200).decode(errors="replace").strip())
    except (OSError, HTTPException) as why:
        print(f"The web process does not answer: {why}")
        return 1
    finally:
        connection.close()
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
