"""Everything the audit trail can say, declared one by one, by noun.

An event is a frozen dataclass of plain JSON values; its name in the trail is its
class name in snake_case. Facts never hold a secret, nor a stranger's address. What is
personal in them is declared as such and kept beside the chain.
"""

from app.domain.audit.events.accounts import *
from app.domain.audit.events.alerts import *
from app.domain.audit.events.audit import *
from app.domain.audit.events.auto_update_rules import *
from app.domain.audit.events.base import REGISTRY, Event
from app.domain.audit.events.changes import *
from app.domain.audit.events.clients import *
from app.domain.audit.events.connections import *
from app.domain.audit.events.pairing import *
from app.domain.audit.events.reports import *
from app.domain.audit.events.revocation import *
from app.domain.audit.events.sites import *

__all__ = ["REGISTRY", "Event", *(one.__name__ for one in REGISTRY.values())]
