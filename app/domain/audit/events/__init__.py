"""The events of the audit log, one module per subject.

An event is a frozen dataclass of plain JSON values. Its name in the log is its class name in
snake_case. Facts never contain secrets. Personal facts are declared as such and stored next to the
chain.
"""

from app.domain.audit.events.accounts import *
from app.domain.audit.events.agency import *
from app.domain.audit.events.audit import *
from app.domain.audit.events.base import REGISTRY, Event
from app.domain.audit.events.changes import *
from app.domain.audit.events.connection import *
from app.domain.audit.events.file_checks import *
from app.domain.audit.events.mail import *
from app.domain.audit.events.provenance import *
from app.domain.audit.events.reports import *
from app.domain.audit.events.rollouts import *
from app.domain.audit.events.second_factors import *
from app.domain.audit.events.sites import *
from app.domain.audit.events.vulnerabilities import *
from app.domain.audit.events.webhooks import *

__all__ = ["REGISTRY", "Event", *(event.__name__ for event in REGISTRY.values())]
