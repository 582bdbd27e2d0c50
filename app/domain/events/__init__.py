"""Everything the audit trail can say, declared one by one, by noun.

An event is a frozen dataclass of plain JSON values; its name in the trail is its
class name in snake_case. Facts never hold a secret, nor a stranger's address. What is
personal in them is declared as such and kept beside the chain.
"""

from app.domain.events.alarms import *  # noqa: F403
from app.domain.events.base import REGISTRY, Event
from app.domain.events.changes import *  # noqa: F403
from app.domain.events.clients import *  # noqa: F403
from app.domain.events.connections import *  # noqa: F403
from app.domain.events.pairing import *  # noqa: F403
from app.domain.events.parting import *  # noqa: F403
from app.domain.events.people import *  # noqa: F403
from app.domain.events.policies import *  # noqa: F403
from app.domain.events.reports import *  # noqa: F403
from app.domain.events.sites import *  # noqa: F403
from app.domain.events.trail import *  # noqa: F403

__all__ = ["REGISTRY", "Event", *(one.__name__ for one in REGISTRY.values())]
