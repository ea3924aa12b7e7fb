"""Emulates the export API and its data."""
