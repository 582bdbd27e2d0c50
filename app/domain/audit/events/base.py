"""The base class of events, and the declaration of personal facts."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from inspect import get_annotations
from typing import Annotated, cast, dataclass_transform, get_args

REGISTRY: dict[str, type[Event]] = {}
# The personal facts of each event, which are stored next to the chain.
PERSONAL_FACTS: dict[str, frozenset[str]] = {}

# A fact that names a person, or that a person typed. It is stored next to the chain, where it
# can be erased. `user_id` is the person it is about, unless that is the actor.
_PERSONAL = "personal"
Personal = Annotated[str, _PERSONAL]


def is_personal(kind: object) -> bool:
    """Whether a type is marked as personal, directly or in a part of it (`Personal | None`)."""
    metadata = getattr(kind, "__metadata__", ())
    return _PERSONAL in metadata or any(is_personal(part) for part in get_args(kind))


_ABOUT = ("site_id", "client_id")


@dataclass_transform(kw_only_default=True, frozen_default=True)
class _Declaration:
    """Make each subclass a frozen dataclass with keyword arguments."""

    def __init_subclass__(cls, *, is_declared: bool = True) -> None:
        """With `is_declared` false: only what several events have in common."""
        dataclass(frozen=True, kw_only=True)(cls)
        if is_declared:
            REGISTRY[cls.event_name()] = cast("type[Event]", cls)
            PERSONAL_FACTS[cls.event_name()] = frozenset(
                name
                for base in cls.__mro__
                for name, kind in get_annotations(base, eval_str=True).items()
                if is_personal(kind)
            )

    @classmethod
    def event_name(cls) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class Event(_Declaration, is_declared=False):
    """Something that happened: a frozen dataclass, as each subclass of it is.

    `site_id` is set if it concerns one site. `client_id` is set if it concerns a client and no
    site, because the client of a site is looked up.

    Its annotations declare which facts are personal. An annotation that cannot be read stops the
    program, because personal data must not get into the chain.
    """

    site_id: int | None = None
    client_id: int | None = None

    def split_facts(self) -> tuple[dict[str, object], dict[str, object]]:
        """Return the facts for the chain, and the personal facts, which are stored separately.

        An empty personal fact is in the chain, because nothing of it needs erasing.
        """
        personal = PERSONAL_FACTS[self.event_name()]
        chained: dict[str, object] = {}
        private: dict[str, object] = {}
        for name in (field.name for field in fields(self) if field.name not in _ABOUT):
            value = getattr(self, name)
            (private if name in personal and value else chained)[name] = value
        return chained, private
