"""File formats of exports, streamed: bytes in, records out, memory flat whatever the size."""
