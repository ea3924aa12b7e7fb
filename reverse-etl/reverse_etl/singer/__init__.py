"""The Singer side: messages in, STATE out, settings, commands and the run report."""
