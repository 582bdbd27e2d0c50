"""The audit log: a hash chain of everything that happened (docs/PROTOCOL.md section 5).

An entry is written in the transaction of its change. Bodies are stored as they were hashed and
never serialized again for verification. Personal data is stored next to the chain, which contains
its salted hash, so that it can be erased and the chain stays intact.
"""

from app.domain.audit.append import record
from app.domain.audit.chain import Anchor, ChainReport, verify_chain
from app.domain.audit.documents import entry_document
from app.domain.audit.entry_format import genesis_hash, link_hash, private_details_hash
from app.domain.audit.refusals import record_refusal
from app.domain.audit.search import SEARCHED_KINDS, EntryFilter, find_entries

__all__ = [
    "SEARCHED_KINDS", "Anchor", "ChainReport", "EntryFilter", "call_log", "checkpoints",
    "documents", "entry_document", "entry_format", "events", "export", "export_formats",
    "export_scope", "find_entries", "genesis_hash", "link_hash", "private_details_hash", "record",
    "record_refusal", "redaction", "refusals", "search_index", "subjects", "verification",
    "verify_chain",
]  # fmt: skip
