"""Build the images and fetch the downloads that tests need, as much as possible side by side.

    python -m tests.support.prepare          # for `make test`: oldest and newest WordPress
    python -m tests.support.prepare --all    # for `make test-all`: every WordPress, and containers

What is there already costs a fraction of a second. Nothing is kept in the checkout: images are
Docker's, downloads are in the user's cache folder, and both are named after their inputs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from tests.containers.images import all_images
from tests.matrix import phps, wordpresses
from tests.rigs.machine import WHICH, rigs_image
from tests.wordpress.baked import baked_image
from tests.wordpress.engine import EngineFailed, say
from tests.wordpress.images import image_of


def prepare(*, everything: bool) -> None:
    """Make what is missing; raises EngineFailed for the first thing that cannot be made."""
    started = time.monotonic()
    # More threads than processors, because most of them wait for the network.
    with ThreadPoolExecutor(8) as pool:
        making = [pool.submit(part) for part in _parts(everything=everything)]
        for future in making:
            _result(future, making)
    say("prepare", f"everything is there after {time.monotonic() - started:.0f} s")


def _result(future: Future[object], making: list[Future[object]]) -> None:
    try:
        future.result()
    except BaseException:
        for other in making:
            other.cancel()
        raise


def _parts(*, everything: bool) -> list[Callable[[], object]]:
    parts: list[Callable[[], object]] = [phps.install, _oldest, lambda: _machine("newest")]
    if everything:
        parts += [lambda: _machine("middle"), _releases, *all_images()]
    return parts


def _machine(which: str) -> None:
    baked_image(image_of(which))
    if which in {php.stand_in for php in phps.ALL}:
        phps.sodium_compat(which)


def _oldest() -> None:
    _machine(WHICH)
    baked_image(rigs_image())


def _releases() -> None:
    # The download needs no image, so it does not wait for one.
    wordpresses.fetched_archives()
    for release in wordpresses.RELEASES:
        baked_image(wordpresses.image_with(release))


if __name__ == "__main__":
    try:
        prepare(everything="--all" in sys.argv[1:])
    except EngineFailed as why:
        sys.exit(str(why))
