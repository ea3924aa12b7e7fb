"""The audit log: who ran which export with which filters, when, and what came of it.

A row's `chain` is the SHA-256 of the chain before and of the row itself, so that no row can be
changed, taken out or put in unnoticed. The head, kept beside the rows, is the chain of the last
one: it shows a cut at the end. User ids are salted hashes; the salt is in the first row.
Rows are kept for 12 months; older ones give way to a checkpoint that carries the chain on.
"""

from tap_canai.audit.log import AuditLog, open_audit_log

__all__ = ["AuditLog", "open_audit_log"]
