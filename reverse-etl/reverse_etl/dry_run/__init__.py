"""A run that asks the CRM and writes nothing: what it would do, record by record.

It is the run itself, stage by stage, with two parts exchanged: the adapter (`adapter`), whose
writes are noted instead of sent, and the ledger (`ledger_copy`), which is a copy.
"""
