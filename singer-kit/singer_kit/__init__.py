"""What a Singer tap and a Singer target both need.

Import from the modules: SQLAlchemy is slow to load, and not every run needs it.
"""
