"""Rules as written, checked and compiled: from a source record to a CRM record."""
